//! `flowctl diagnose`: looks for what is wrong with a platform, and changes nothing.
//!
//! It is a run of the workflow `diagnose` like any other, with its state and its report; this verb only saves people from knowing that.

use super::Cx;
use super::drive::Show;
use super::error::Error;
use super::exit_code::ExitCode;
use super::prepare::What;

/// Arguments of `flowctl diagnose`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of a target, or path of its file [env: FLOWCTL_TARGET] [default: the only one in ./targets/]
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,
    /// Value of a parameter of the workflow `diagnose`; may be repeated
    #[arg(long = "param", short = 'p', value_name = "NAME=VALUE", value_parser = super::prepare::parameter)]
    params: Vec<(String, String)>,
    #[command(flatten)]
    show: Show,
}

pub(super) fn run(cx: &Cx, args: Args) -> Result<ExitCode, Error> {
    let what = What {
        workflow: "diagnose".to_owned(),
        target: args.target,
        params: args.params,
    };
    super::run::run(cx, super::run::Args::whole(what, args.show))
}
