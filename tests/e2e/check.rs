//! How a scenario says that something is not as it must be.

/// What a scenario comes to; the error is for people.
pub(crate) type Outcome<T = ()> = Result<T, String>;

/// It is not as it must be.
///
/// # Errors
/// Always.
pub(crate) fn fail<T>(why: impl Into<String>) -> Outcome<T> {
    Err(why.into())
}

/// It must be so.
///
/// # Errors
/// When it is not.
pub(crate) fn must(holds: bool, why: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(why()) }
}

/// Both, the second whatever the first came to: what was broken is put back.
///
/// # Errors
/// Those of both.
pub(crate) fn then_always(first: Outcome, second: Outcome) -> Outcome {
    match (first, second) {
        (Err(first), Err(second)) => Err(format!("{first}\nand could not be put back: {second}")),
        (first, second) => first.and(second.map_err(|why| format!("could not be put back: {why}"))),
    }
}
