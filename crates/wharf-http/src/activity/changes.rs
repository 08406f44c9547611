//! Notices of changes, for readers that follow them.
//!
//! Changes are gathered while anybody reads, and a few times a second made into one notice, whose text all readers
//! share. A reader that has missed one is told that there were many changes: nothing is kept for anybody.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::Interval;
use wharf_gateway::{Client, Full, Permit, Places, Shutdown};
use wharf_model::GroupingKey;
use wharf_model::name::NameRule;

use super::lock;
use crate::answer::json::{Members, write_strings};
use crate::request::grouping;

/// Groups in one notice.
const MAX_GROUPS: usize = 50;
/// Bytes of their keys.
const MAX_KEY_BYTES: usize = 16 * 1024;
/// So a reader that is gone is found out.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// What has become of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Pushed,
    Refused,
    /// It has lost a family.
    Changed,
    Deleted,
}

impl Change {
    fn as_str(self) -> &'static str {
        match self {
            Self::Pushed => "pushed",
            Self::Refused => "refused",
            Self::Changed => "changed",
            Self::Deleted => "deleted",
        }
    }
}

#[derive(Debug, Default)]
struct Gathered {
    groups: BTreeMap<GroupingKey, Change>,
    key_bytes: usize,
    /// There were too many to name them.
    many: bool,
}

#[derive(Debug, Clone, Default)]
struct Notice {
    number: u64,
    text: Bytes,
}

/// Who follows changes, and what has changed since the last notice.
#[derive(Debug)]
pub(crate) struct Changes {
    gathered: Mutex<Gathered>,
    notices: watch::Sender<Notice>,
    pub(crate) places: Arc<Places>,
    /// By which paths are read.
    names: NameRule,
}

impl Changes {
    /// For so many readers at once.
    pub(crate) fn new(names: NameRule, max_readers: usize) -> Self {
        Self {
            gathered: Mutex::default(),
            notices: watch::Sender::new(Notice::default()),
            places: Places::new(max_readers),
            names,
        }
    }

    /// A group has changed. Costs nothing to speak of while nobody reads.
    pub(crate) fn note(&self, key: &GroupingKey, change: Change) {
        if self.notices.receiver_count() == 0 {
            return;
        }
        let mut gathered = lock(&self.gathered);
        if gathered.many {
            return;
        }
        if gathered.groups.insert(key.clone(), change).is_none() {
            gathered.key_bytes += key.as_bytes().len();
        }
        if gathered.groups.len() > MAX_GROUPS || gathered.key_bytes > MAX_KEY_BYTES {
            *gathered = Gathered {
                many: true,
                ..Gathered::default()
            };
        }
    }

    /// Very many groups have changed.
    pub(crate) fn note_many(&self) {
        lock(&self.gathered).many = true;
    }

    /// Tells readers what has changed since the last time. To be called a few times a second.
    pub(crate) fn publish(&self) {
        let gathered = std::mem::take(&mut *lock(&self.gathered));
        if gathered.groups.is_empty() && !gathered.many {
            return;
        }
        self.notices.send_modify(|notice| {
            notice.number += 1;
            notice.text = text(notice.number, &gathered, self.names);
        });
    }

    /// A reader from now on, as long as it is welcome. With `names_groups`, notices name the groups that have changed; without, they say that there
    /// were many.
    ///
    /// # Errors
    /// If there are too many readers.
    pub(crate) fn read(
        &self,
        client: &Client,
        shutdown: &Shutdown,
        names_groups: bool,
        is_welcome: IsWelcome,
    ) -> Result<Reader, Full> {
        let place = self.places.take(client)?;
        let mut notices = self.notices.subscribe();
        let number = notices.borrow_and_update().number;
        let first = tokio::time::Instant::now() + HEARTBEAT;
        Ok(Reader {
            notices,
            number,
            names_groups,
            has_begun: false,
            is_welcome,
            heartbeat: tokio::time::interval_at(first, HEARTBEAT),
            stopping: Box::pin(shutdown.wait()),
            _place: place,
        })
    }
}

fn text(number: u64, gathered: &Gathered, names: NameRule) -> Bytes {
    let mut out = b"event: change\ndata: ".to_vec();
    let mut data = Members::object(&mut out);
    data.key("seq").extend_from_slice(number.to_string().as_bytes());
    let mut groups = Members::array(data.key("groups"));
    for (key, change) in gathered.groups.iter().filter(|_| !gathered.many) {
        let mut group = Members::object(groups.next());
        write_strings(group.key("labels"), key.labels());
        group.string("path", &grouping::path(key, names));
        group.string("change", change.as_str());
        group.end();
    }
    groups.end();
    data.key("many")
        .extend_from_slice(if gathered.many { b"true" } else { b"false" });
    data.end();
    out.extend_from_slice(b"\n\n");
    out.into()
}

/// Whether a reader may still read. Asked before each thing that it is told.
pub(crate) type IsWelcome = Box<dyn Fn() -> bool + Send>;

/// One that follows changes.
pub(crate) struct Reader {
    notices: watch::Receiver<Notice>,
    /// Of the last notice that it has got.
    number: u64,
    names_groups: bool,
    has_begun: bool,
    is_welcome: IsWelcome,
    heartbeat: Interval,
    stopping: Pin<Box<dyn Future<Output = ()> + Send>>,
    _place: Permit,
}

impl Reader {
    /// What is to be sent next; none when the gateway stops, or the reader is not welcome any more.
    pub(crate) async fn next(mut self) -> Option<(Bytes, Self)> {
        if !self.has_begun {
            self.has_begun = true;
            let hello = format!("retry: 2000\nevent: hello\ndata: {{\"seq\":{}}}\n\n", self.number);
            return Some((hello.into(), self));
        }
        let text = tokio::select! {
            biased;
            () = &mut self.stopping => return None,
            changed = self.notices.changed() => {
                changed.ok()?;
                let notice = self.notices.borrow_and_update().clone();
                let has_missed = notice.number > self.number + 1;
                self.number = notice.number;
                if has_missed || !self.names_groups {
                    let many = Gathered { many: true, ..Gathered::default() };
                    text(notice.number, &many, NameRule::default())
                } else {
                    notice.text
                }
            }
            _ = self.heartbeat.tick() => Bytes::from_static(b":\n\n"),
        };
        (self.is_welcome)().then_some((text, self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_READERS: usize = 100;

    fn client(number: usize) -> Client {
        Client::Known(number.to_string())
    }

    fn key(job: &str) -> GroupingKey {
        GroupingKey::new([("job", job)]).unwrap()
    }

    fn reader(changes: &Changes, shutdown: &Shutdown) -> Reader {
        changes
            .read(&client(0), shutdown, true, Box::new(|| true))
            .unwrap()
    }

    async fn next(reader: Reader) -> (String, Reader) {
        let (text, reader) = reader.next().await.unwrap();
        (String::from_utf8(text.to_vec()).unwrap(), reader)
    }

    #[tokio::test]
    async fn a_reader_is_told_which_groups_have_changed() {
        let (changes, shutdown) = (Changes::new(NameRule::Legacy, MAX_READERS), Shutdown::default());
        changes.note(&key("before"), Change::Pushed);
        let (hello, reader) = next(reader(&changes, &shutdown)).await;
        assert_eq!(hello, "retry: 2000\nevent: hello\ndata: {\"seq\":0}\n\n");
        changes.note(&key("a"), Change::Pushed);
        changes.note(&key("</script>\n"), Change::Refused);
        changes.note(&key("a"), Change::Deleted);
        changes.publish();
        changes.publish();
        let (text, _) = next(reader).await;
        let expected = concat!(
            "event: change\ndata: {\"seq\":1,\"groups\":[",
            "{\"labels\":{\"job\":\"\\u003c/script\\u003e\\n\"},",
            "\"path\":\"job@base64/PC9zY3JpcHQ-Cg\",\"change\":\"refused\"},",
            "{\"labels\":{\"job\":\"a\"},\"path\":\"job/a\",\"change\":\"deleted\"}],\"many\":false}\n\n"
        );
        assert_eq!(text, expected);
    }

    #[tokio::test]
    async fn a_reader_that_has_missed_a_notice_is_told_that_there_were_many() {
        let (changes, shutdown) = (Changes::new(NameRule::Legacy, MAX_READERS), Shutdown::default());
        let (_, reader) = next(reader(&changes, &shutdown)).await;
        for _ in 0..3 {
            changes.note(&key("a"), Change::Pushed);
            changes.publish();
        }
        let (text, _) = next(reader).await;
        assert_eq!(
            text,
            "event: change\ndata: {\"seq\":3,\"groups\":[],\"many\":true}\n\n"
        );
    }

    #[tokio::test]
    async fn more_groups_than_can_be_named_are_many() {
        let (changes, shutdown) = (Changes::new(NameRule::Legacy, MAX_READERS), Shutdown::default());
        let (_, reader) = next(reader(&changes, &shutdown)).await;
        for n in 0..=MAX_GROUPS {
            changes.note(&key(&n.to_string()), Change::Pushed);
        }
        changes.publish();
        let (text, reader) = next(reader).await;
        assert!(text.ends_with("\"groups\":[],\"many\":true}\n\n"));
        changes.note(&key(&"x".repeat(MAX_KEY_BYTES)), Change::Pushed);
        changes.publish();
        let (text, _) = next(reader).await;
        assert!(text.ends_with("\"groups\":[],\"many\":true}\n\n"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_heart_beats_until_the_gateway_stops() {
        let (changes, shutdown) = (Changes::new(NameRule::Legacy, MAX_READERS), Shutdown::default());
        let reader = reader(&changes, &shutdown);
        let (_, reader) = next(reader).await;
        let (text, reader) = next(reader).await;
        assert_eq!(text, ":\n\n");
        shutdown.trigger();
        assert!(reader.next().await.is_none());
    }

    #[tokio::test]
    async fn readers_are_so_many_and_no_more() {
        let (changes, shutdown) = (Changes::new(NameRule::Legacy, MAX_READERS), Shutdown::default());
        let read = |number| changes.read(&client(number), &shutdown, true, Box::new(|| true));
        let readers: Vec<Reader> = (0..MAX_READERS).filter_map(|number| read(number).ok()).collect();
        assert_eq!(readers.len(), MAX_READERS);
        assert_eq!(read(0).err(), Some(Full::ForAll));
        drop(readers);
        assert!(read(0).is_ok());
    }
}
