//! The failure matrix on the product's machines (F2): every registered saga × step × direction × kind of fault, at
//! every place where the kind can strike the step. Generated from the registry: a new saga is in it without a line here.
//! `ops/handbook/matrix.md` is what it finds (WINDLASS_BLESS=1 writes it).

mod base;
mod cancel;
mod captured;
mod expect;
mod matrix;
mod page;
#[path = "../rules.rs"]
mod rules;

use windlass_sagas::plan::REGISTERED;

use matrix::{Cell, Matrix};

fn none(found: &[String]) {
    assert!(found.is_empty(), "{} findings:\n{}", found.len(), found.join("\n"));
}

#[test]
fn f2_every_square_ends_as_the_matrix_says_and_leaves_nothing() {
    none(&Matrix::whole().findings());
}

#[test]
fn f2_no_square_is_empty_without_a_reason_that_was_computed() {
    let matrix = Matrix::whole();
    let squares = matrix.squares();
    let empty = |cell: &Cell| matches!(cell, Cell::Struck(runs) if runs.is_empty());
    let empty: Vec<String> =
        squares.iter().filter(|(_, cell)| empty(cell)).map(|(square, _)| square.to_string()).collect();
    none(&empty);
    assert!(squares.len() > 500, "{} squares", squares.len());
}

#[test]
fn f2_every_registered_saga_is_in_the_matrix() {
    let matrix = Matrix::whole();
    for saga in REGISTERED {
        let struck = |(square, cell): &(matrix::Square, Cell)| {
            square.kind == saga.kind && matches!(cell, Cell::Struck(runs) if !runs.is_empty())
        };
        assert!(matrix.squares().iter().any(struck), "{} is not", saga.kind.operation());
    }
}

#[test]
fn f2_the_published_table_is_what_the_matrix_finds() {
    page::keep(Matrix::whole());
}
