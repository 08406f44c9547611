//! The section `etcd`: where the groups are that replicas share. Each key stands for a flag, and counts where neither the command line nor
//! the environment has that flag.

use std::path::Path;

use serde_saphyr::Spanned;
use wharf_model::name::NameRule;

use super::source::{self, Document, Text};
use super::{Check, read_text, truth};
use crate::config::{Config, FLAGS};

/// Flags with their values.
pub(crate) type Given = Vec<(&'static str, String)>;

/// What the section of a file says. Nothing if the file has mistakes there: whoever reads its rules tells of them, with their places.
pub(crate) fn given(path: &Path) -> Given {
    let text = read_text(path).unwrap_or_default();
    let Ok(document) = serde_saphyr::from_str::<Document>(&text) else {
        return Given::new();
    };
    let mut check = Check {
        names: NameRule::Legacy,
        folder: path.parent().unwrap_or(Path::new("")),
        mistakes: Vec::new(),
    };
    let given = check.etcd(document.etcd);
    if check.mistakes.is_empty() {
        given
    } else {
        Given::new()
    }
}

impl Check<'_> {
    pub(super) fn etcd(&mut self, section: Option<Spanned<source::Etcd>>) -> Given {
        let Some(section) = section else {
            return Given::new();
        };
        let (at, section) = (section.referenced, section.value);
        self.unknown(&section.unknown);
        let mut given = Given::new();
        let endpoints = section.endpoints.unwrap_or_default();
        if endpoints.is_empty() && section.unknown.is_empty() {
            let text = "expected `endpoints`, a list of the URLs of etcd's members, found none";
            self.mistake(&at, text.to_owned());
        }
        // Each by itself, so that a mistake has its place.
        for endpoint in &endpoints {
            self.flag("storage.etcd", endpoint, endpoint.value.clone());
        }
        let urls: Vec<String> = endpoints.into_iter().map(|endpoint| endpoint.value).collect();
        given.push(("storage.etcd", urls.join(",")));
        let texts = [
            ("storage.etcd-prefix", section.prefix),
            ("storage.etcd-user", section.user),
        ];
        for (flag, text) in texts {
            given.extend(text.and_then(|text| self.flag(flag, &text, text.value.clone())));
        }
        let files = [
            ("storage.etcd-password-file", section.password_file),
            ("storage.etcd-ca-file", section.ca_file),
            ("storage.etcd-cert-file", section.cert_file),
            ("storage.etcd-key-file", section.key_file),
        ];
        for (flag, file) in files {
            let Some(file) = file else { continue };
            let path = self.folder.join(&file.value).to_string_lossy().into_owned();
            given.extend(self.flag(flag, &file, path));
        }
        if let Some(compact) = self.optional(section.compact.as_ref(), truth) {
            given.push(("storage.etcd-compact", compact.to_string()));
        }
        given
    }

    /// A flag with its value, if it takes that.
    fn flag(&mut self, name: &'static str, text: &Text, value: String) -> Option<(&'static str, String)> {
        let flag = FLAGS.iter().find(|flag| flag.name == name)?;
        let taken = flag.set(&mut Config::default(), &value);
        if let Err(error) = taken {
            self.mistake(&text.referenced, error.to_string());
            return None;
        }
        Some((name, value))
    }
}
