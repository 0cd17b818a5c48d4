//! A configuration in a few lines, for a person who wants to know what was understood. Holds no secret.

use std::fmt;

use super::{Config, ProbeKind};
use crate::domain::task::TaskType;

/// Displays a [`Config`] in a few lines.
#[derive(Debug, Clone, Copy)]
pub struct Summary<'a>(&'a Config);

impl Config {
    /// What was understood, in a few lines without secrets.
    pub fn summary(&self) -> Summary<'_> {
        Summary(self)
    }
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = self.0;
        writeln!(formatter, "listen    {}", config.server.listen)?;
        writeln!(formatter, "tokens    {}", or_none(&config.auth.algorithms))?;
        writeln!(formatter, "storage   {}", config.storage.url)?;
        let audit = config.audit.file.as_ref().map_or("none".to_owned(), |path| path.display().to_string());
        writeln!(formatter, "audit     {audit}")?;
        for (name, target) in &config.targets {
            let with_endpoint = |task_type: &TaskType| config.catalog.coverage(*task_type).0.contains(&name.as_str());
            let count = TaskType::ALL.iter().filter(|task_type| with_endpoint(task_type)).count();
            writeln!(
                formatter,
                "target    {name} at {}, endpoints for {count} of {} task types",
                target.base_url,
                TaskType::ALL.len()
            )?;
        }
        for (name, probe) in &config.probes {
            let what = match &probe.kind {
                ProbeKind::ThemisDb { target } => format!("target {target}"),
                ProbeKind::Http { url } => format!("{}{}", url.origin().ascii_serialization(), url.path()),
            };
            writeln!(formatter, "probe     {name} of {what} every {}", humantime::format_duration(probe.interval))?;
        }
        write!(formatter, "bundles   {}", or_none(&config.orchestrator.bundles))
    }
}

fn or_none(words: &[String]) -> String {
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}
