//! Secrets by reference: the configuration names the place of a secret, never the secret itself.

use everwarm_domain::secret::Secret;
use everwarm_runtime::files::read_private;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The error for a value that is not a reference. It omits the text, which may be a secret.
pub const BY_REFERENCE: &str = "a secret cannot stand here: write env:NAME or file:PATH";

/// The place of a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SecretRef {
    /// No secret.
    #[default]
    None,
    /// In a variable of the environment.
    Env(String),
    /// In a file that only its owner may read.
    File(PathBuf),
}

impl FromStr for SecretRef {
    type Err = String;
    fn from_str(text: &str) -> Result<SecretRef, String> {
        match text.split_once(':') {
            None if text.is_empty() => Ok(SecretRef::None),
            Some(("env", name)) if !name.is_empty() => Ok(SecretRef::Env(name.to_owned())),
            Some(("file", path)) if !path.is_empty() => Ok(SecretRef::File(path.into())),
            Some(_) | None => Err(BY_REFERENCE.to_owned()),
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretRef::None => Ok(()),
            SecretRef::Env(name) => write!(f, "env:{name}"),
            SecretRef::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

impl SecretRef {
    /// Reads the secret; `None` if there is no reference.
    ///
    /// # Errors
    /// It is missing or empty, or other users may read it.
    pub fn read(&self, environment: &[(String, String)]) -> Result<Option<Secret>, String> {
        let text = match self {
            SecretRef::None => return Ok(None),
            SecretRef::Env(name) => environment
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, text)| text.clone())
                .ok_or_else(|| format!("the variable {name} is not set"))?,
            SecretRef::File(path) => read_private(path)?,
        };
        filled(Secret::new(&text), self).map(Some)
    }
}

fn filled(secret: Secret, at: &SecretRef) -> Result<Secret, String> {
    if secret.expose().is_empty() { Err(format!("{at} is empty")) } else { Ok(secret) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_secret_is_read_where_it_is_and_only_where_it_is_private() {
        let folder = std::env::temp_dir().join(format!("everwarm-secret-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("token");
        std::fs::write(&file, "hunter2\n").unwrap();
        let of = |text: &str| text.parse::<SecretRef>().unwrap();
        let by_file = of(&format!("file:{}", file.display()));
        let mode = |mode| std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
        for open in [0o644, 0o640, 0o602] {
            mode(open);
            let error = by_file.read(&[]).unwrap_err();
            assert!(
                error.contains("other users can read it") && !error.contains("hunter2"),
                "{error}"
            );
        }
        mode(0o600);
        assert_eq!(by_file.read(&[]).unwrap().unwrap().expose(), "hunter2");
        std::fs::write(&file, " \n").unwrap();
        assert!(by_file.read(&[]).unwrap_err().ends_with("is empty"));
        assert!(of(&format!("file:{}", folder.display())).read(&[]).is_err());
        std::fs::remove_dir_all(&folder).unwrap();

        let environment = [("MINE".to_owned(), "hunter3".to_owned())];
        assert_eq!(of("env:MINE").read(&environment).unwrap().unwrap().expose(), "hunter3");
        assert_eq!(
            of("env:OTHER").read(&environment).unwrap_err(),
            "the variable OTHER is not set"
        );
        assert!(of("").read(&environment).unwrap().is_none());
        for text in ["hunter2", "env:", "file:", "vault:x", "hunter:2"] {
            assert_eq!(text.parse::<SecretRef>().unwrap_err(), BY_REFERENCE);
        }
    }
}
