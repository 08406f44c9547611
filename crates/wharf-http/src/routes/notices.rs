//! The text of notices, which all who follow changes share.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use wharf_gateway::{Change, Notice};
use wharf_model::GroupingKey;
use wharf_model::name::NameRule;

use crate::answer::json::{Members, write_strings};
use crate::request::grouping;

/// The text of the last notice, for all who read it.
#[derive(Debug)]
pub(crate) struct NoticeTexts {
    /// By which paths are read.
    names: NameRule,
    last: Mutex<(u64, Bytes)>,
}

impl NoticeTexts {
    pub(crate) fn new(names: NameRule) -> Self {
        let last = Mutex::default();
        Self { names, last }
    }

    pub(crate) fn of(&self, notice: &Notice) -> Bytes {
        let Some(groups) = &notice.groups else {
            return text(notice.number, None, self.names);
        };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.0 != notice.number {
            *last = (notice.number, text(notice.number, Some(groups), self.names));
        }
        last.1.clone()
    }
}

fn text(number: u64, groups: Option<&BTreeMap<GroupingKey, Change>>, names: NameRule) -> Bytes {
    let mut out = b"event: change\ndata: ".to_vec();
    let mut data = Members::object(&mut out);
    data.key("seq").extend_from_slice(number.to_string().as_bytes());
    let mut list = Members::array(data.key("groups"));
    for (key, change) in groups.into_iter().flatten() {
        let mut group = Members::object(list.next());
        write_strings(group.key("labels"), key.labels());
        group.string("path", &grouping::path(key, names));
        group.string("change", change.as_str());
        group.end();
    }
    list.end();
    data.key("many")
        .extend_from_slice(if groups.is_none() { b"true" } else { b"false" });
    data.end();
    out.extend_from_slice(b"\n\n");
    out.into()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_notice_names_the_groups_that_have_changed() {
        let key = |job| GroupingKey::new([("job", job)]).unwrap();
        let groups = [(key("a"), Change::Deleted), (key("</script>\n"), Change::Refused)];
        let texts = NoticeTexts::new(NameRule::Legacy);
        let mut notice = Notice {
            number: 1,
            groups: Some(Arc::new(groups.into())),
        };
        let expected = concat!(
            "event: change\ndata: {\"seq\":1,\"groups\":[",
            "{\"labels\":{\"job\":\"\\u003c/script\\u003e\\n\"},",
            "\"path\":\"job@base64/PC9zY3JpcHQ-Cg\",\"change\":\"refused\"},",
            "{\"labels\":{\"job\":\"a\"},\"path\":\"job/a\",\"change\":\"deleted\"}],\"many\":false}\n\n"
        );
        assert_eq!(texts.of(&notice), expected);
        notice.groups = None;
        let many = "event: change\ndata: {\"seq\":1,\"groups\":[],\"many\":true}\n\n";
        assert_eq!(texts.of(&notice), many);
        assert_eq!(texts.of(&notice), many);
    }
}
