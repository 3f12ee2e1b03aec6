//! Where the text of a dashboard comes from: a file, a ConfigMap, or Grafana itself.

use serde::{Deserialize, Serialize};

use super::dashboard::{self, Dashboard};
use super::{ConfigMap, Params};
use crate::clients::grafana::Grafana;
use crate::clients::kube::{Kube, Resource, object};
use crate::context::StepContext;
use crate::error::StepError;

/// A dashboard's text, and what is wrong with where it stands.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Found {
    pub(super) text: String,
    pub(super) complaints: Vec<String>,
}

impl Found {
    /// The dashboard, with all that is wrong with it.
    ///
    /// # Errors
    /// In words, when it is no JSON object.
    pub(super) fn board(&self, params: &Params) -> Result<Dashboard, String> {
        let mut board = dashboard::parse(&self.text, params.range.last.duration())?;
        board.complaints.splice(0..0, self.complaints.clone());
        Ok(board)
    }
}

/// The dashboard.
///
/// # Errors
/// When it is not there, or who has it does not answer.
pub(super) async fn find(
    cx: &StepContext,
    params: &Params,
    grafana: Option<&Grafana>,
) -> Result<Found, StepError> {
    let bare = |text: String| Found {
        text,
        complaints: Vec::new(),
    };
    if let Some(file) = &params.file {
        return cx.files.text(file).map(bare);
    }
    if let Some(map) = &params.config_map {
        return config_map(&cx.clients.kube().await?, map).await;
    }
    let uid = params.uid.as_deref().unwrap_or_default();
    let Some(grafana) = grafana else {
        return Err(StepError::permanent(
            "target.no_endpoint",
            "the target names no `grafana`, so a dashboard cannot be found by its uid",
        )
        .help("add it to the target file, or give the dashboard as `config_map` or `file`"));
    };
    match grafana.dashboard(cx, uid).await? {
        Some(board) => Ok(bare(board.to_string())),
        None => Err(StepError::permanent(
            "grafana.no_dashboard",
            format!("Grafana has no dashboard with the uid `{uid}`"),
        )),
    }
}

pub(super) async fn config_map(kube: &Kube, map: &ConfigMap) -> Result<Found, StepError> {
    let maps = Resource::core("ConfigMap", "configmaps");
    let place = format!("ConfigMap {}/{}", map.namespace, map.name);
    let Some(object) = kube.get(&maps, Some(&map.namespace), &map.name).await? else {
        return Err(StepError::permanent(
            "grafana.no_dashboard",
            format!("there is no {place}"),
        ));
    };
    let empty = serde_json::Map::new();
    let data = object
        .pointer("/data")
        .and_then(|data| data.as_object())
        .unwrap_or(&empty);
    let key = match &map.key {
        Some(key) => Some(key),
        None => data.keys().next().filter(|_| data.len() == 1),
    };
    let text = key.and_then(|key| data.get(key)?.as_str());
    let Some(text) = text else {
        let keys: Vec<&str> = data.keys().map(String::as_str).collect();
        return Err(StepError::permanent(
            "grafana.no_dashboard",
            format!(
                "{place} does not say which key is the dashboard; it has: {}",
                keys.join(", ")
            ),
        )
        .help("give `key:`"));
    };
    let labelled = object
        .pointer("/metadata/labels")
        .and_then(|labels| labels.get(&map.label))
        .is_some();
    let complaints = if labelled {
        Vec::new()
    } else {
        vec![format!(
            "{} {} has no label `{}`, so the sidecar does not see it",
            object::kind(&object),
            object::name(&object),
            map.label
        )]
    };
    Ok(Found {
        text: text.to_owned(),
        complaints,
    })
}
