//! Which run is meant: an id, a unique beginning of one, `latest`, or nothing at all.

use flowctl_workflows::RunId;
use flowctl_workflows::diagnostic::nearest;

use super::error::Error;
use super::reach::Reach;

/// The run that `given` means; the newest when nothing is given.
pub(super) async fn run(reach: &Reach, given: Option<&str>) -> Result<RunId, Error> {
    let ids = reach.ids().await?;
    if given.is_none()
        && let Some(live) = reach
            .live()
            .and_then(|live| ids.iter().find(|id| id.as_str() == live))
    {
        return Ok(live.clone());
    }
    among(&ids, given)
}

/// The same, among these ids, the newest first.
pub(super) fn among(ids: &[RunId], given: Option<&str>) -> Result<RunId, Error> {
    let Some(newest) = ids.first() else {
        let message = match given {
            Some(given) if given != "latest" => {
                format!("there is no run `{given}`: this state has no runs")
            }
            _ => "this state has no runs".to_owned(),
        };
        return Err(Error::usage_with_help(
            message,
            "`flowctl run` starts one; --state or FLOWCTL_STATE names another state",
        ));
    };
    let given = match given {
        None | Some("latest") => return Ok(newest.clone()),
        Some(given) => given,
    };
    if let Some(exact) = ids.iter().find(|id| id.as_str() == given) {
        return Ok(exact.clone());
    }
    let matching: Vec<&RunId> = ids
        .iter()
        .filter(|id| id.as_str().starts_with(given))
        .collect();
    match matching[..] {
        [only] => Ok(only.clone()),
        [] => {
            let near = nearest(given, ids.iter().map(RunId::as_str));
            let help = near.map_or_else(
                || "`flowctl runs` lists them".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            Err(Error::usage_with_help(
                format!("there is no run `{given}` in this state"),
                help,
            ))
        }
        [..] => {
            let names: Vec<&str> = matching.iter().take(5).map(|id| id.as_str()).collect();
            let more = if matching.len() > names.len() {
                ", …"
            } else {
                ""
            };
            Err(Error::usage_with_help(
                format!("`{given}` is the beginning of {} runs", matching.len()),
                format!("write more of it: {}{more}", names.join(", ")),
            ))
        }
    }
}

/// The place in the plan of the step that `given` names.
pub(super) fn step<'a>(
    ids: impl Iterator<Item = &'a str> + Clone,
    given: &str,
) -> Result<usize, Error> {
    ids.clone()
        .position(|id| id == given)
        .ok_or_else(|| no_step(ids, given))
}

/// That no step has this name, with the one that may be meant.
pub(super) fn no_step<'a>(ids: impl Iterator<Item = &'a str> + Clone, given: &str) -> Error {
    let help = match nearest(given, ids.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let names: Vec<&str> = ids.clone().take(12).collect();
            let more = if ids.count() > names.len() {
                ", …"
            } else {
                ""
            };
            format!("there is: {}{more}", names.join(", "))
        }
    };
    Error::usage_with_help(format!("there is no step `{given}` in this run"), help)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> Vec<RunId> {
        ["lab-2", "phase3-20261123-2", "phase3-20261123-1"]
            .map(|id| RunId::new(id).unwrap())
            .to_vec()
    }

    #[test]
    fn a_run_is_named_by_its_beginning_if_that_is_unique() {
        let chosen = |given| among(&ids(), given).map(|id| id.to_string());
        assert_eq!(chosen(None).unwrap(), "lab-2");
        assert_eq!(chosen(Some("latest")).unwrap(), "lab-2");
        assert_eq!(chosen(Some("la")).unwrap(), "lab-2");
        assert_eq!(
            chosen(Some("phase3-20261123-1")).unwrap(),
            "phase3-20261123-1"
        );
        let error = chosen(Some("phase3")).unwrap_err();
        assert_eq!(error.to_string(), "`phase3` is the beginning of 2 runs");
        let error = chosen(Some("phase3-20261123-3")).unwrap_err();
        assert_eq!(error.help().unwrap(), "did you mean `phase3-20261123-2`?");
        assert!(
            among(&[], None)
                .unwrap_err()
                .to_string()
                .contains("no runs")
        );
    }

    #[test]
    fn a_misspelt_step_gets_the_nearest() {
        let ids = ["deploy", "seed"];
        assert_eq!(step(ids.into_iter(), "seed").unwrap(), 1);
        assert_eq!(
            step(ids.into_iter(), "sed").unwrap_err().help().unwrap(),
            "did you mean `seed`?"
        );
        assert_eq!(
            step(ids.into_iter(), "xyz").unwrap_err().help().unwrap(),
            "there is: deploy, seed"
        );
    }
}
