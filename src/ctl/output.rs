//! What a command works with, and how it prints.

use std::io::{self, Write};

use serde_json::Value;

use super::args::Format;
use super::client::Client;
use super::failure::CtlFailure;
use super::run::Surroundings;

/// One command's client and its outputs.
pub struct Session<'a> {
    /// Asks the service.
    pub client: Client,
    /// How to print.
    pub format: Format,
    /// What comes from outside.
    pub around: &'a Surroundings<'a>,
    /// What was asked for.
    pub out: &'a mut dyn Write,
    /// What is said besides.
    pub err: &'a mut dyn Write,
}

impl Session<'_> {
    /// Prints a document: as it is, or the table that is made of it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn show(&mut self, document: &Value, table: impl FnOnce(&Value) -> String) -> Result<(), CtlFailure> {
        let text = match self.format {
            Format::Table => table(document),
            Format::Json => format!("{document:#}"),
            Format::Yaml => yaml(document)?,
        };
        self.print(&text)
    }

    /// Prints text with one line break at its end. A reader that has left (`| head`) has what it wanted.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn print(&mut self, text: &str) -> Result<(), CtlFailure> {
        write(self.out, text)
    }

    /// Says something to whoever looks on.
    pub fn say(&mut self, text: &str) {
        // Nobody is left to tell that it could not be said.
        let _ = writeln!(self.err, "{text}");
    }
}

/// As [`Session::print`], for what needs no service.
///
/// # Errors
/// When it cannot be written.
pub fn write(out: &mut dyn Write, text: &str) -> Result<(), CtlFailure> {
    match writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// A document as YAML.
///
/// # Errors
/// Never for what came as JSON.
pub fn yaml(document: &Value) -> Result<String, CtlFailure> {
    serde_saphyr::to_string(document).map_err(|error| CtlFailure::Fault(format!("cannot write YAML: {error}")))
}
