//! Where the service is and who asks: from the command line, then the environment, then the context file.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::args::ConnectionArgs;
use super::client::api_url;
use super::contexts::{Context, Contexts};
use super::failure::CtlFailure;

pub const URL: &str = "THEMIS_MAINTENANCE_URL";
pub const TOKEN: &str = "THEMIS_MAINTENANCE_TOKEN";
pub const TOKEN_FILE: &str = "THEMIS_MAINTENANCE_TOKEN_FILE";
pub const CONTEXT: &str = "THEMIS_MAINTENANCE_CONTEXT";
pub const CA_FILE: &str = "THEMIS_MAINTENANCE_CA_FILE";

/// Where the service is and who asks.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The address of the API.
    pub url: Url,
    /// Who asks.
    pub token: Option<SecretString>,
    /// Which authority counts in place of the system's.
    pub ca_file: Option<PathBuf>,
}

/// Gathers the settings.
///
/// # Errors
/// What is missing or wrong, and how it could be given.
pub fn settings(given: &ConnectionArgs, environment: &[(OsString, OsString)]) -> Result<Settings, CtlFailure> {
    let variables = Variables(environment);
    let file = context_file(&variables)?;
    let name = given.context.clone().map_or_else(|| variables.text(CONTEXT), |name| Ok(Some(name)))?;
    let context = match &file {
        Some(file) => Contexts::read(file)?.get(name.as_deref(), file)?,
        None if name.is_some() => {
            return Err(CtlFailure::NotConfigured("a context is named, but neither XDG_CONFIG_HOME nor HOME is set".to_owned()));
        }
        None => None,
    };
    // Naming a context on the command line is saying all that it says there.
    let named = given.context.is_some();
    let context = context.unwrap_or_default();
    let whose = |what: &str| {
        name.as_ref().map_or_else(|| format!("{what} of the current context"), |n| format!("{what} of context '{n}'"))
    };

    let (url, from) = first([
        given.url.clone().map(|url| (url, "--url".to_owned())),
        context.url.clone().filter(|_| named).map(|url| (url, whose("url"))),
        variables.text(URL)?.map(|url| (url, URL.to_owned())),
        context.url.clone().map(|url| (url, whose("url"))),
    ])
    .ok_or_else(|| {
        let file = file.as_ref().map_or_else(|| "the context file".to_owned(), |file| file.display().to_string());
        CtlFailure::NotConfigured(format!("no address of a service: give --url, set {URL}, or make a context with url in {file}"))
    })?;
    let read = |url: &str, from: &str| api_url(url).map_err(|error| CtlFailure::NotConfigured(format!("{from} {error}")));
    let url = read(&url, &from)?;
    // What a context says besides is for its own service and nobody else: a token must not go where another variable leads.
    let own = match &context.url {
        Some(of_context) => read(of_context, &whose("url"))? == url,
        None => true,
    };
    let Context { token: context_token, token_file: context_token_file, ca_file: context_ca_file, url: _ } =
        if own { context } else { Context::default() };
    let of_context = || either(context_token.clone(), context_token_file.as_deref());

    let token = match either(given.token.clone(), given.token_file.as_deref())? {
        Some(token) => Some(token),
        None if named => of_context()?,
        None => None,
    };
    let token = match token {
        Some(token) => Some(token),
        None => match of_environment(&variables)? {
            Some(token) => Some(token),
            None => of_context()?,
        },
    };
    if token.is_none() {
        return Err(CtlFailure::NotConfigured(format!(
            "no token for {url}: give --token-file or --token, set {TOKEN_FILE} or {TOKEN}, or name one in the context of that address"
        )));
    }
    let ca_file = first([
        given.ca_file.clone(),
        context_ca_file.clone().filter(|_| named),
        variables.text(CA_FILE)?.map(PathBuf::from),
        context_ca_file,
    ]);
    Ok(Settings { url, token, ca_file })
}

fn first<T>(found: impl IntoIterator<Item = Option<T>>) -> Option<T> {
    found.into_iter().flatten().next()
}

fn of_environment(variables: &Variables<'_>) -> Result<Option<SecretString>, CtlFailure> {
    let (token, file) = (variables.text(TOKEN)?, variables.text(TOKEN_FILE)?);
    if token.is_some() && file.is_some() {
        return Err(CtlFailure::NotConfigured(format!("{TOKEN} and {TOKEN_FILE} are both set; one is enough")));
    }
    either(token.map(SecretString::from), file.map(PathBuf::from).as_deref())
}

/// A token that is given, or that of a file.
fn either(token: Option<SecretString>, file: Option<&Path>) -> Result<Option<SecretString>, CtlFailure> {
    let wrong = |what: String| CtlFailure::NotConfigured(what);
    let (token, from) = match (token, file) {
        (Some(token), _) => (token, "the token".to_owned()),
        (None, Some(file)) => {
            let text = std::fs::read_to_string(file);
            let text = text.map_err(|error| wrong(format!("token file {}: {error}", file.display())))?;
            (SecretString::from(text), format!("token file {}", file.display()))
        }
        (None, None) => return Ok(None),
    };
    let trimmed = token.expose_secret().trim();
    if trimmed.is_empty() {
        return Err(wrong(format!("{from} is empty")));
    }
    if !trimmed.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong(format!("{from} has blanks or other characters that no token has")));
    }
    Ok(Some(trimmed.to_owned().into()))
}

/// `$XDG_CONFIG_HOME/themis-maintenance/contexts.toml`, or below `~/.config`.
fn context_file(variables: &Variables<'_>) -> Result<Option<PathBuf>, CtlFailure> {
    let home = |name| variables.raw(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = home("XDG_CONFIG_HOME").or_else(|| home("HOME").map(|home| home.join(".config")));
    Ok(folder.map(|folder| folder.join("themis-maintenance").join("contexts.toml")))
}

/// The environment, in which what is empty counts as not set.
struct Variables<'a>(&'a [(OsString, OsString)]);

impl Variables<'_> {
    fn raw(&self, name: &str) -> Option<&OsString> {
        self.0.iter().rfind(|(other, value)| other == name && !value.is_empty()).map(|(_, value)| value)
    }

    fn text(&self, name: &str) -> Result<Option<String>, CtlFailure> {
        let text = self.raw(name).map(|value| value.clone().into_string());
        text.transpose().map_err(|_| CtlFailure::NotConfigured(format!("environment variable {name}: is not UTF-8")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "current = \"a\"\n[contexts.a]\nurl = \"http://a\"\ntoken = \"of-a\"\n\
        [contexts.b]\nurl = \"http://b\"\ntoken_file = \"b.token\"\nca_file = \"/b.pem\"\n[contexts.c]\ntoken = \"of-c\"\n";

    /// The address without the path, the token and the authority; or the failure.
    fn ask(folder: &Path, given: ConnectionArgs, variables: &[(&str, &str)]) -> Result<(String, String, String), String> {
        let mut environment = vec![("XDG_CONFIG_HOME".into(), folder.as_os_str().to_owned())];
        environment.extend(variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))));
        let settings = settings(&given, &environment).map_err(|failure| {
            assert_eq!(failure.code(), 78, "{failure}");
            failure.to_string()
        })?;
        let token = settings.token.map(|token| token.expose_secret().to_owned()).unwrap_or_default();
        let ca = settings.ca_file.map(|file| file.display().to_string()).unwrap_or_default();
        Ok((settings.url.host_str().unwrap_or_default().to_owned(), token, ca))
    }

    fn folder(text: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        let own = folder.path().join("themis-maintenance");
        std::fs::create_dir(&own).expect("a folder");
        std::fs::write(own.join("contexts.toml"), text).expect("a file");
        std::fs::write(own.join("b.token"), "of-b\n").expect("a file");
        folder
    }

    fn found(url: &str, token: &str, ca: &str) -> Result<(String, String, String), String> {
        Ok((url.to_owned(), token.to_owned(), ca.to_owned()))
    }

    fn flags() -> ConnectionArgs {
        ConnectionArgs::default()
    }

    #[test]
    fn flags_count_more_than_the_environment_and_that_more_than_the_file() {
        let folder = folder(FILE);
        let path = folder.path();
        assert_eq!(ask(path, flags(), &[]), found("a", "of-a", ""));
        assert_eq!(ask(path, flags(), &[(CONTEXT, "b")]), found("b", "of-b", "/b.pem"));
        let environment = [(URL, "http://e"), (TOKEN, "of-e"), (CA_FILE, "e.pem")];
        assert_eq!(ask(path, flags(), &environment), found("e", "of-e", "e.pem"));
        let given = ConnectionArgs { url: Some("http://f".into()), token: Some("of-f".to_owned().into()), ..flags() };
        assert_eq!(ask(path, given, &environment), found("f", "of-f", "e.pem"));
        let given = ConnectionArgs { context: Some("b".into()), ..flags() };
        assert_eq!(ask(path, given, &environment), found("b", "of-b", "/b.pem"));
        let given = ConnectionArgs { context: Some("c".into()), ..flags() };
        assert_eq!(ask(path, given, &[(URL, "http://e")]), found("e", "of-c", ""));
    }

    #[test]
    fn a_context_s_token_goes_to_no_other_address() {
        let folder = folder(FILE);
        let complaint = ask(folder.path(), flags(), &[(URL, "http://elsewhere")]).expect_err("no token");
        assert!(complaint.contains("no token for http://elsewhere/api/v1/maintenance"), "{complaint}");
        assert_eq!(ask(folder.path(), flags(), &[(URL, "http://a/")]), found("a", "of-a", ""));
    }

    #[test]
    fn what_is_missing_is_named() {
        let empty = folder("");
        let complaint = ask(empty.path(), flags(), &[]).expect_err("no address");
        for wanted in ["--url", URL, "contexts.toml"] {
            assert!(complaint.contains(wanted), "{complaint}");
        }
        let complaint = ask(empty.path(), flags(), &[(URL, "http://e")]).expect_err("no token");
        assert!(complaint.contains("--token-file") && complaint.contains(TOKEN), "{complaint}");
        let complaint = ask(folder(FILE).path(), flags(), &[(CONTEXT, "z")]).expect_err("no context");
        assert!(complaint.contains("no context 'z'") && complaint.contains("a, b, c"), "{complaint}");
    }

    #[test]
    fn a_wrong_file_is_told_without_what_stands_in_it() {
        let folder = folder("[contexts.a]\nurl = \"http://a\"\ntokn = \"a-secret-token\"\n");
        let complaint = ask(folder.path(), flags(), &[]).expect_err("a wrong file");
        assert!(complaint.contains("contexts.toml: line 3:") && !complaint.contains("a-secret-token"), "{complaint}");
    }

    #[test]
    fn tokens_are_trimmed_and_looked_at() {
        let folder = folder("");
        let e = |token| ask(folder.path(), flags(), &[(URL, "http://e"), (TOKEN, token)]);
        assert_eq!(e("  t.o-k_en\n"), found("e", "t.o-k_en", ""));
        assert!(e("two words").is_err() && e(" ").is_err());
        let file = ConnectionArgs { token_file: Some("/nowhere/at/all".into()), ..flags() };
        assert!(ask(folder.path(), file, &[(URL, "http://e")]).expect_err("no file").contains("/nowhere/at/all"));
    }
}
