//! The file with mapping rules, which is read at the start and whenever somebody asks.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use wharf_statsd::Mapping;

use wharf_settings::small_file;

/// A file larger than this is none that a person has written.
const MAX_BYTES: u64 = 4 << 20;

/// The rules of a file, with what came of reading it.
#[derive(Debug)]
pub(super) struct MappingFile {
    path: Option<PathBuf>,
    reading: Mutex<Reading>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Reading {
    /// What is in force.
    pub(super) text: String,
    /// How often it was read again with success, and without.
    pub(super) reloads: (u64, u64),
    /// Why it was not used when it was read last.
    pub(super) failure: Option<String>,
}

impl MappingFile {
    /// Reads it for the first time.
    ///
    /// # Errors
    /// If it cannot be used.
    pub(super) fn open(path: Option<PathBuf>) -> Result<(Self, Mapping), String> {
        let (text, mapping) = match &path {
            Some(path) => read(path)?,
            None => (String::new(), Mapping::default()),
        };
        let reading = Reading {
            text,
            ..Reading::default()
        };
        let reading = Mutex::new(reading);
        Ok((Self { path, reading }, mapping))
    }

    /// Reads it again, if there is one, and hands the rules over.
    ///
    /// # Errors
    /// If it cannot be used. The rules of before stay in force.
    pub(super) fn reload(&self, install: impl FnOnce(Mapping)) -> Option<Result<(), String>> {
        let path = self.path.as_ref()?;
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let read = read(path).map(|(text, mapping)| {
            install(mapping);
            reading.text = text;
        });
        match &read {
            Ok(()) => reading.reloads.0 += 1,
            Err(_) => reading.reloads.1 += 1,
        }
        reading.failure = read.as_ref().err().cloned();
        Some(read)
    }

    /// How often it was read again with success, and without.
    pub(super) fn reloads(&self) -> (u64, u64) {
        self.reading
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .reloads
    }

    /// What came of it.
    pub(super) fn reading(&self) -> Reading {
        let reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        reading.clone()
    }
}

/// The text and the rules of a file. What surely is not meant is in the log.
fn read(path: &Path) -> Result<(String, Mapping), String> {
    let shown = path.display();
    let text = small_file::read(path, MAX_BYTES).map_err(|error| format!("{shown}: {error}"))?;
    let text = String::from_utf8(text).map_err(|error| format!("{shown}: {error}"))?;
    let mapping = Mapping::read(&text).map_err(|error| {
        let mistakes = error.mistakes().iter();
        let mistakes: Vec<String> = mistakes.map(|mistake| format!("{shown}: {mistake}")).collect();
        mistakes.join("\n")
    })?;
    for warning in mapping.warnings() {
        let warning = warning.to_string();
        let warning = warning.lines().next().unwrap_or_default();
        tracing::warn!(file = %shown, err = warning, "a mapping rule for StatsD is surely not meant like this");
    }
    Ok((text, mapping))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_bad_file_keeps_the_rules_of_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mapping.yml");
        fs::write(&path, "mappings: [{match: a, name: one}]").unwrap();
        let (file, mapping) = MappingFile::open(Some(path.clone())).unwrap();
        assert_eq!(mapping.rules().len(), 1);
        fs::write(&path, "mappings: [{match: a, name: 1n}]").unwrap();
        let refused = file.reload(|_| panic!("there is nothing to install")).unwrap();
        let why = refused.unwrap_err();
        assert!(
            why.starts_with(&format!("{}: line 1, column 29: expected", path.display())),
            "{why}"
        );
        let reading = file.reading();
        assert_eq!(reading.text, "mappings: [{match: a, name: one}]");
        assert_eq!((reading.reloads, reading.failure), ((0, 1), Some(why)));
        assert_eq!(file.reloads(), (0, 1));
        fs::write(&path, "").unwrap();
        let mut installed = None;
        assert_eq!(file.reload(|mapping| installed = Some(mapping)), Some(Ok(())));
        assert_eq!(installed.map(|mapping| mapping.rules().len()), Some(0));
        assert_eq!((file.reading().reloads, file.reading().failure), ((1, 1), None));
    }

    #[test]
    fn without_a_file_there_is_nothing_to_read_again() {
        let (file, mapping) = MappingFile::open(None).unwrap();
        assert_eq!(mapping.rules().len(), 0);
        assert_eq!(file.reload(|_| ()), None);
    }
}
