//! Who scrapes, and how.

use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use wharf_store::UnixNanos;

use super::visible;
use crate::lock::lock;

const MAX_SCRAPERS: usize = 50;
const MAX_USER_AGENT_CHARS: usize = 200;

/// The last scrape of one program at one address.
#[derive(Debug, Clone)]
pub struct Scraper {
    /// What it calls itself.
    pub user_agent: String,
    /// Where it is, if it came over a network.
    pub address: Option<IpAddr>,
    /// When it scraped last.
    pub last: UnixNanos,
    /// How often it scraped.
    pub scrapes: u64,
    /// In which format.
    pub format: &'static str,
    /// How the body was compressed.
    pub compression: Option<&'static str>,
    /// Bytes of the body.
    pub bytes: u64,
    /// How long it took to render.
    pub duration: Duration,
}

impl Scraper {
    /// A scrape by whoever calls himself that.
    pub fn named(user_agent: &[u8], address: Option<IpAddr>, last: UnixNanos) -> Self {
        Self {
            user_agent: visible::shown(&String::from_utf8_lossy(user_agent), MAX_USER_AGENT_CHARS),
            address,
            last,
            scrapes: 1,
            format: "",
            compression: None,
            bytes: 0,
            duration: Duration::ZERO,
        }
    }
}

/// Those who scraped last, the newest first.
#[derive(Debug, Default)]
pub struct Scrapers(Mutex<Vec<Scraper>>);

impl Scrapers {
    pub fn add(&self, mut scraper: Scraper) {
        let mut scrapers = lock(&self.0);
        let same =
            |known: &Scraper| known.user_agent == scraper.user_agent && known.address == scraper.address;
        if let Some(at) = scrapers.iter().position(same) {
            scraper.scrapes += scrapers.remove(at).scrapes;
        }
        scrapers.truncate(MAX_SCRAPERS - 1);
        scrapers.insert(0, scraper);
    }

    pub fn list(&self) -> Vec<Scraper> {
        lock(&self.0).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scraper_is_known_by_its_name_and_address() {
        let scrapers = Scrapers::default();
        let address = |last| Some(IpAddr::from([10, 0, 0, last]));
        for (at, (name, last)) in (0..).zip([("a", 1), ("b", 1), ("a", 2), ("a", 1)]) {
            scrapers.add(Scraper::named(name.as_bytes(), address(last), UnixNanos(at)));
        }
        let list = scrapers.list();
        let found: Vec<_> = list
            .iter()
            .map(|one| (one.user_agent.as_str(), one.scrapes))
            .collect();
        assert_eq!(found, [("a", 2), ("a", 1), ("b", 1)]);
        for n in 0..1000u64 {
            scrapers.add(Scraper::named(n.to_string().as_bytes(), None, UnixNanos(0)));
        }
        assert_eq!(scrapers.list().len(), MAX_SCRAPERS);
    }
}
