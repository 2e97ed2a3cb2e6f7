//! The key of a source of bars: in variables of the environment, or in a file of its owner.

use everwarm_config::SecretRef;
use everwarm_domain::secret::Secret;
use everwarm_runtime::files::read_private;
use std::path::{Path, PathBuf};

/// Where the key of a source is.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct KeyFile {
    /// File with the key of a source that needs one: a line NAME=VALUE for each of its variables.
    /// Only its owner may read it [default: variables of the environment].
    #[arg(id = "key_file", long = "key-file", value_name = "FILE")]
    path: Option<PathBuf>,
}

impl KeyFile {
    /// Reads the parts of a key, in the order of their names.
    ///
    /// # Errors
    /// Names what is missing. It never shows a value.
    pub fn read(&self, names: &[&str]) -> Result<Vec<Secret>, String> {
        match &self.path {
            Some(path) => in_file(path, names),
            None => names.iter().map(|name| in_environment(name)).collect(),
        }
    }
}

fn in_environment(name: &str) -> Result<Secret, String> {
    let value = std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    let environment: Vec<_> = value.map(|value| (name.to_owned(), value)).into_iter().collect();
    let found = SecretRef::Env(name.to_owned()).read(&environment)?;
    found.ok_or_else(|| format!("the variable {name} is not set"))
}

fn in_file(path: &Path, names: &[&str]) -> Result<Vec<Secret>, String> {
    let text = read_private(path)?;
    let mut all: Vec<(&str, &str)> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let row = line.split_once('=').map(|(name, value)| (name.trim(), value.trim()));
        let wrong = |why| format!("{}:{}: {why}", path.display(), at + 1);
        let (name, value) = row.ok_or_else(|| wrong("is no line NAME=VALUE"))?;
        if all.iter().any(|(known, _)| *known == name) {
            return Err(wrong("names a variable twice"));
        }
        all.push((name, value));
    }
    let find = |name: &&str| {
        let value = all.iter().find(|(known, _)| known == name).map(|(_, value)| *value);
        let value = value.filter(|value| !value.is_empty());
        value.map(Secret::new).ok_or_else(|| format!("{} has no line {name}=", path.display()))
    };
    names.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_with_a_key_is_private_and_no_error_shows_its_lines() {
        let folder = std::env::temp_dir().join(format!("everwarm-keys-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("keys");
        let keys = KeyFile { path: Some(file.clone()) };
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
            let found = keys.read(&["ONE", "TWO"]);
            found.map(|all| all.iter().map(|key| key.expose().to_owned()).collect::<Vec<_>>())
        };
        let both = Ok(vec!["hunter=2".to_owned(), "hunter3".to_owned()]);
        assert_eq!(read("# mine\n\nTWO = hunter3\r\nONE=hunter=2\nMORE=x\n"), both);
        for (text, why) in [
            ("ONE=hunter2\n", "has no line TWO="),
            ("ONE=hunter2\nTWO=\n", "has no line TWO="),
            ("ONE=hunter2\nhunter3\n", "keys:2: is no line NAME=VALUE"),
            ("ONE=hunter2\nONE=hunter3\n", "keys:2: names a variable twice"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(why) && !error.contains("hunter"), "{error}");
        }
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
        let error = keys.read(&["ONE"]).unwrap_err();
        assert!(error.contains("other users can read it"), "{error}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
