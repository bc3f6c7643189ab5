//! The `windlass` command from outside: the real binary against a scripted cell on loopback and against real journals.
//! Its tables, errors, help and requests are held against tests/golden/cli; `WINDLASS_GOLDEN=update` writes them anew.

mod cli {
    pub(super) mod answers;
    pub(super) mod cell;
    mod errors;
    mod images;
    mod nouns;
    mod pipes;
    mod replaying;
    pub(super) mod run;
    mod tailing;
    mod waiting;
}
