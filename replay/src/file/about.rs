//! What an exported file says of itself: the manifest at its beginning, and what is known only at its end. Both are TOML,
//! so that a person can read them with any tool; a key that is not known is passed over, a scope that is not is refused.

use std::fmt;

use toml::{Table, Value};
use windlass_sagas::ids::*;

/// What of a journal a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    Cell,
    /// All commits from one position to another.
    Span,
    /// All commits from an operation's first to its last.
    Operation {
        /// Which.
        saga: SagaId,
    },
    /// The commits of one project and of none.
    Project {
        /// Which.
        project: ProjectId,
        /// Its name, when the file was written.
        name: String,
    },
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cell => write!(f, "the whole cell"),
            Self::Span => write!(f, "a span"),
            Self::Operation { saga } => write!(f, "operation {saga}"),
            Self::Project { name, .. } => write!(f, "project {name}"),
        }
    }
}

/// What a file says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The cell.
    pub cell: CellId,
    /// Its name.
    pub name: String,
    /// The format level of its commits at the file's end.
    pub level: u16,
    /// The build that wrote the file.
    pub build: String,
    /// What it holds.
    pub scope: Scope,
    /// The position of the image that it begins with; 0: it begins with the journal's first commit.
    pub base: Position,
    /// The first position of a commit in it; 0: it holds none.
    pub first: Position,
    /// The last position that it speaks for, left out or not.
    pub last: Position,
    /// The hash of the commit there.
    pub hash: Hash,
    /// The time of that commit.
    pub time: Time,
    /// Frames in it.
    pub frames: u64,
    /// Valid commits in it.
    pub commits: u64,
    /// Void commits in it.
    pub voids: u64,
    /// Runs of commits that it leaves out, behind its beginning.
    pub gaps: u64,
    /// Commits in those.
    pub left_out: u64,
    /// Void commits that it leaves out.
    pub voids_left_out: u64,
    /// Commits in it that speak of other projects too.
    pub shared: u64,
}

impl Manifest {
    /// Before anything is written.
    pub(crate) const fn new(cell: CellId, name: String, build: String, scope: Scope) -> Self {
        let (level, none, hash) = (0, Position(0), Hash([0; 32]));
        Self {
            cell,
            name,
            level,
            build,
            scope,
            base: none,
            first: none,
            last: none,
            hash,
            time: Time(0),
            frames: 0,
            commits: 0,
            voids: 0,
            gaps: 0,
            left_out: 0,
            voids_left_out: 0,
            shared: 0,
        }
    }

    /// What is known at the beginning.
    pub(crate) fn manifest(&self) -> String {
        let mut table = Table::new();
        let mut put = |key: &str, value: Value| drop(table.insert(key.to_owned(), value));
        put("cell", self.cell.to_string().into());
        put("name", self.name.clone().into());
        put("build", self.build.clone().into());
        put("base", number(self.base.0));
        let scope = match &self.scope {
            Scope::Cell => "cell",
            Scope::Span => "span",
            Scope::Operation { saga } => {
                put("operation", saga.to_string().into());
                "operation"
            }
            Scope::Project { project, name } => {
                put("project", project.to_string().into());
                put("project_name", name.clone().into());
                "project"
            }
        };
        put("scope", scope.into());
        table.to_string()
    }

    /// What is known at the end; `parts` are the hashes of manifest and index, so that nobody mixes two files.
    pub(crate) fn end(&self, parts: [[u8; 32]; 2]) -> String {
        let mut table = Table::new();
        let mut put = |key: &str, value: Value| drop(table.insert(key.to_owned(), value));
        let [manifest, index] = parts.map(|hash| Hash(hash).to_string());
        put("manifest_sha256", manifest.into());
        put("index_sha256", index.into());
        put("level", Value::Integer(self.level.into()));
        put("hash", self.hash.to_string().into());
        put("time", Value::Integer(self.time.0));
        for (key, value) in [
            ("first", self.first.0),
            ("last", self.last.0),
            ("frames", self.frames),
            ("commits", self.commits),
            ("voids", self.voids),
            ("gaps", self.gaps),
            ("left_out", self.left_out),
            ("voids_left_out", self.voids_left_out),
            ("shared", self.shared),
        ] {
            put(key, number(value));
        }
        table.to_string()
    }

    /// Reads both again; gives the hashes of manifest and index too.
    pub(crate) fn read(manifest: &[u8], end: &[u8]) -> Result<(Self, [Hash; 2]), String> {
        let (manifest, end) = (Keys::of(manifest)?, Keys::of(end)?);
        let scope = match manifest.text("scope")? {
            "cell" => Scope::Cell,
            "span" => Scope::Span,
            "operation" => Scope::Operation { saga: manifest.parsed("operation")? },
            "project" => {
                let name = manifest.text("project_name")?.to_owned();
                Scope::Project { project: manifest.parsed("project")?, name }
            }
            other => return Err(format!("its scope {other:?} is not known to this build")),
        };
        let (name, build) = (manifest.text("name")?.to_owned(), manifest.text("build")?.to_owned());
        let about = Self {
            level: u16::try_from(end.number("level")?).map_err(|error| error.to_string())?,
            base: Position(manifest.number("base")?),
            first: Position(end.number("first")?),
            last: Position(end.number("last")?),
            hash: end.hash("hash")?,
            time: Time(end.signed("time")?),
            frames: end.number("frames")?,
            commits: end.number("commits")?,
            voids: end.number("voids")?,
            gaps: end.number("gaps")?,
            left_out: end.number("left_out")?,
            voids_left_out: end.number("voids_left_out")?,
            shared: end.number("shared")?,
            ..Self::new(manifest.parsed("cell")?, name, build, scope)
        };
        Ok((about, [end.hash("manifest_sha256")?, end.hash("index_sha256")?]))
    }
}

fn number(value: u64) -> Value {
    Value::Integer(i64::try_from(value).unwrap_or(i64::MAX))
}

/// Keys of which each must be there.
struct Keys(Table);

impl Keys {
    fn of(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
        toml::from_str(text).map(Self).map_err(|error| error.to_string())
    }

    fn text(&self, key: &str) -> Result<&str, String> {
        self.0.get(key).and_then(Value::as_str).ok_or_else(|| format!("its `{key}` is missing"))
    }

    fn signed(&self, key: &str) -> Result<i64, String> {
        self.0.get(key).and_then(Value::as_integer).ok_or_else(|| format!("its `{key}` is missing"))
    }

    fn number(&self, key: &str) -> Result<u64, String> {
        u64::try_from(self.signed(key)?).map_err(|_| format!("its `{key}` is below 0"))
    }

    fn parsed<T: std::str::FromStr>(&self, key: &str) -> Result<T, String> {
        self.text(key)?.parse().map_err(|_| format!("its `{key}` is no id"))
    }

    fn hash(&self, key: &str) -> Result<Hash, String> {
        from_hex(self.text(key)?).map(Hash).ok_or_else(|| format!("its `{key}` is no hash"))
    }
}
