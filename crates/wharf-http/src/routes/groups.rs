//! `/api/v1/groups`: which groups there are, and deleting those that selectors name.
//!
//! Nothing here has to be ignored for the sake of the Pushgateway, so a parameter that is not known is refused: a
//! misspelt `older_than` must not delete more than was meant.

pub(crate) mod cursor;
mod filter;
mod shown;
mod state;

use std::sync::Arc;

use http::Response;
use wharf_gateway::{Deleted, Refusal, Right, Selection};
use wharf_model::{Effort, GroupingKey, Selector, duration};
use wharf_store::{Candidate, Listing, Page, Receipt, SortBy};

use self::filter::Filter;
use self::shown::{DEFAULT_FIELDS, FIELDS};
pub(crate) use self::shown::{Look, write_fields, write_history};

use crate::answer::envelope;
use crate::answer::json::{Members, write_strings};
use crate::answer::receipt;
use crate::answer::status;
use crate::answer::streamed::{self, Flow};
use crate::request::words::Words;
use crate::request::{parameters, query};
use crate::routes::row::Asked;
use crate::transport::chunks::ResponseBody;
use crate::workers;

/// `GET /api/v1/groups`: of those groups that whoever asks may see.
pub(crate) async fn list(asked: Asked<'_>) -> Response<ResponseBody> {
    let (service, query) = (Arc::clone(&asked.service), asked.query.map(str::to_owned));
    let caller = asked.caller.clone();
    let listed = workers::run_in(asked.work(), move |effort, place| {
        let mut request = ListRequest::of(query.as_deref(), effort)?;
        let scope = caller.scope(Right::Read);
        request.listing.choice = scope.groups().asked(std::mem::take(&mut request.selectors));
        let look = Look::at(&service, &caller, request.filter.expiring_within);
        let store = service.gateway.store();
        let page = if request.filter.is_empty() && !request.counts {
            store.list(&request.listing, effort)?
        } else {
            let passes = |candidate: &Candidate<'_>| request.filter.passes(&look, candidate, effort);
            store.list_where(&request.listing, &passes, effort)?
        };
        let (worker, moment) = (Arc::clone(&service), look.moment);
        let caller = caller.clone();
        let body = streamed::body(|flow| async move {
            let mut body = Vec::new();
            let mut envelope = envelope::open(&mut body);
            let look = Look::again(&worker, &caller, moment);
            request.write(&look, &page, envelope.key("data"), &flow).await;
            envelope.end();
            body
        })?;
        Ok(envelope::streamed(body.holding(place)))
    });
    listed.await.unwrap_or_else(status::answer)
}

/// `DELETE /api/v1/groups`.
pub(crate) async fn delete(asked: Asked<'_>) -> Response<ResponseBody> {
    let query = asked.query.map(str::to_owned);
    let deleted = async {
        let gateway = &asked.service.gateway;
        gateway.settings().admin.allow_selectors()?;
        let selection = move |effort: &Effort| selection(query.as_deref(), effort);
        let work = asked.work()?;
        let deleted = gateway
            .delete_selected(work, asked.caller, selection, asked.sender.address())
            .await?;
        workers::run(move || {
            let Deleted {
                keys,
                dry_run,
                undo,
                place,
            } = deleted;
            let body = streamed::body(|flow| write_deleted(keys, dry_run, undo, flow))?;
            Ok(envelope::streamed(body.holding(place)))
        })
        .await
    };
    deleted.await.unwrap_or_else(status::answer)
}

async fn write_deleted(keys: Vec<GroupingKey>, dry_run: bool, undo: Option<Receipt>, flow: Flow) -> Vec<u8> {
    let mut body = Vec::new();
    let mut envelope = envelope::open(&mut body);
    let mut data = Members::object(envelope.key("data"));
    data.integer("count", keys.len() as u64);
    data.flag("dry_run", dry_run);
    receipt::write(data.key("undo"), undo.as_ref());
    let mut groups = Members::array(data.key("groups"));
    for key in keys {
        write_strings(groups.next(), key.labels());
        flow.pass(groups.written()).await;
    }
    groups.end();
    data.end();
    envelope.end();
    body
}

const SORTS: [(&str, SortBy); 7] = [
    ("labels", SortBy::Key),
    ("job", SortBy::Job),
    ("push_time", SortBy::PushTime),
    ("failure_time", SortBy::FailureTime),
    ("series", SortBy::Series),
    ("bytes", SortBy::Bytes),
    ("expires_at", SortBy::Expiry),
];

pub(crate) struct ListRequest {
    listing: Listing,
    /// What is asked for; all groups, if there are none.
    selectors: Vec<Selector>,
    filter: Filter,
    /// The total, also where every group has to be looked at for it.
    counts: bool,
    /// As in [`FIELDS`].
    fields: Vec<usize>,
}

impl ListRequest {
    pub(crate) fn of(query: Option<&str>, effort: &Effort) -> Result<Self, Refusal> {
        let mut request = Self {
            listing: Listing {
                limit: parameters::DEFAULT_LIMIT,
                ..Listing::default()
            },
            selectors: Vec::new(),
            filter: Filter::default(),
            counts: false,
            fields: (0..DEFAULT_FIELDS).collect(),
        };
        let mut after = None;
        for (name, value) in query::parameters(query)? {
            let listing = &mut request.listing;
            match name.as_str() {
                "match[]" => {
                    parameters::add_selector(&mut request.selectors, &value, effort)?;
                }
                "sort" => (listing.sort, listing.descending) = sort(&value)?,
                "limit" => listing.limit = parameters::limit(&value)?,
                "cursor" => after = Some(value),
                "fields" => request.fields = fields(&value)?,
                "total" => request.counts = query::flag(&name, &value)?,
                "q" => request.filter.words = Words::of(&value)?,
                "state" => request.filter.states = state::states(&value)?,
                "expiring_within" => {
                    let within = duration::parse(&value);
                    request.filter.expiring_within =
                        within.map_err(|error| Refusal::parameter(&format!("expiring_within: {error}")))?;
                }
                other => {
                    let known = "match[], q, state, expiring_within, sort, limit, cursor, fields, total";
                    return Err(query::unknown(other, known));
                }
            }
        }
        request.listing.after = after.map(|text| cursor::read(&text)).transpose()?;
        Ok(request)
    }

    async fn write(&self, look: &Look<'_>, page: &Page, out: &mut Vec<u8>, flow: &Flow) {
        let mut data = Members::object(out);
        let mut groups = Members::array(data.key("groups"));
        for info in &page.groups {
            let group = look.group(info);
            let mut object = Members::object(groups.next());
            for (name, write) in self.fields.iter().filter_map(|at| FIELDS.get(*at)) {
                write(&group, object.key(name));
                flow.pass(object.written()).await;
            }
            object.end();
        }
        groups.end();
        if let Some(next) = &page.next {
            data.string("next_cursor", &cursor::write(next));
        }
        if let Some(total) = page.total {
            data.integer("total", total as u64);
        }
        data.end();
    }
}

fn sort(text: &str) -> Result<(SortBy, bool), Refusal> {
    let (name, descending) = match text.strip_prefix('-') {
        Some(name) => (name, true),
        None => (text, false),
    };
    let found = SORTS.iter().find(|(known, _)| *known == name);
    found.map(|(_, by)| (*by, descending)).ok_or_else(|| {
        let known: Vec<&str> = SORTS.iter().map(|(name, _)| *name).collect();
        let known = known.join(", ");
        Refusal::parameter(&format!(
            "sort: expected one of {known}, perhaps with - in front, found `{}`",
            query::shown(text)
        ))
    })
}

fn fields(text: &str) -> Result<Vec<usize>, Refusal> {
    let mut fields = Vec::new();
    for name in text.split(',') {
        let Some(at) = FIELDS.iter().position(|(known, _)| *known == name) else {
            let known: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
            let known = known.join(", ");
            return Err(Refusal::parameter(&format!(
                "fields: expected some of {known}, found `{}`",
                query::shown(name)
            )));
        };
        if !fields.contains(&at) {
            fields.push(at);
        }
    }
    Ok(fields)
}

/// Which groups a request wants deleted. A parameter that is not known is refused.
pub(crate) fn selection(query: Option<&str>, effort: &Effort) -> Result<Selection, Refusal> {
    let mut request = Selection {
        selectors: Vec::new(),
        older_than: None,
        family: None,
        dry_run: false,
    };
    for (name, value) in query::parameters(query)? {
        match name.as_str() {
            "match[]" => {
                parameters::add_selector(&mut request.selectors, &value, effort)?;
            }
            "older_than" => {
                let age = duration::parse(&value);
                let age = age.map_err(|error| Refusal::parameter(&format!("older_than: {error}")))?;
                request.older_than = Some(age);
            }
            "family" => request.family = Some(parameters::family(value)?),
            "dry_run" => request.dry_run = query::flag(&name, &value)?,
            other => return Err(query::unknown(other, "match[], older_than, family, dry_run")),
        }
    }
    if request.selectors.is_empty() {
        let text = "expected at least one match[], found none\nhint: match[]={} is every group";
        return Err(Refusal::parameter(&text));
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::answer::streamed::tests::held_for_a_stalled_reader;

    fn listing(query: &str) -> Result<ListRequest, String> {
        ListRequest::of(Some(query), &Effort::unlimited()).map_err(|error| error.text)
    }

    fn deleting(query: &str) -> Result<Selection, String> {
        selection(Some(query), &Effort::unlimited()).map_err(|error| error.text)
    }

    #[tokio::test]
    async fn a_stalled_reader_of_what_was_deleted_costs_the_same_however_much_that_is() {
        for count in [10_000, 40_000] {
            let keys = (0..count).map(|n| GroupingKey::new([("job", format!("{n}").as_str())]).unwrap());
            let mut body = streamed::body(|flow| write_deleted(keys.collect(), true, None, flow)).unwrap();
            let held = held_for_a_stalled_reader(&mut body).await;
            assert!(held < 200 << 10, "{held}");
        }
    }

    #[test]
    fn a_listing_is_by_labels_unless_it_says_otherwise() {
        let request = listing("").ok().unwrap();
        assert_eq!(
            (request.listing.limit, request.fields.len()),
            (parameters::DEFAULT_LIMIT, DEFAULT_FIELDS)
        );
        let request = listing("sort=-series&limit=5&fields=series,labels,series&match[]={job=\"a\"}");
        let request = request.ok().unwrap();
        assert!(matches!(request.listing.sort, SortBy::Series));
        assert!(request.listing.descending);
        assert_eq!((request.listing.limit, request.selectors.len()), (5, 1));
        let names: Vec<&str> = request.fields.iter().map(|at| FIELDS[*at].0).collect();
        assert_eq!(names, ["series", "labels"]);
    }

    #[test]
    fn mistakes_in_a_listing_are_refused() {
        let refused = |query| listing(query).err().unwrap();
        assert_eq!(
            refused("sort=size"),
            "sort: expected one of labels, job, push_time, failure_time, series, bytes, expires_at, perhaps with - \
             in front, found `size`"
        );
        assert_eq!(
            refused("limit=0"),
            "limit: expected a number from 1 to 1000, found `0`"
        );
        assert_eq!(
            refused("match=x"),
            "expected a parameter of match[], q, state, expiring_within, sort, limit, cursor, fields, total, found `match`"
        );
        assert!(refused("fields=label").starts_with("fields: expected some of labels, "));
        assert!(refused("match[]=job").starts_with("match[]: column 1: "));
        assert_eq!(
            refused("cursor=!"),
            "cursor: expected what an earlier page gave, found `!`"
        );
        let many = "match[]={}&".repeat(parameters::MAX_SELECTORS + 1);
        assert_eq!(refused(&many), "expected at most 32 match[], found more");
    }

    #[test]
    fn deleting_needs_a_selector_and_knows_its_parameters() {
        assert_eq!(
            deleting("older_than=7d").err().unwrap(),
            "expected at least one match[], found none\nhint: match[]={} is every group"
        );
        assert_eq!(
            deleting("match[]={}&olderthan=7d").err().unwrap(),
            "expected a parameter of match[], older_than, family, dry_run, found `olderthan`"
        );
        assert!(
            deleting("match[]={}&older_than=old")
                .err()
                .unwrap()
                .starts_with("older_than: ")
        );
        assert_eq!(
            deleting("match[]={}&dry_run=perhaps").err().unwrap(),
            "dry_run: expected true or false, found `perhaps`"
        );
        let request = deleting("match[]={job=\"a\"}&match[]={job=\"b\"}&older_than=7d&dry_run")
            .ok()
            .unwrap();
        assert_eq!(request.older_than, Some(Duration::from_secs(7 * 86_400)));
        assert!(request.dry_run);
        let texts: Vec<String> = request.selectors.iter().map(Selector::to_string).collect();
        assert_eq!(texts, ["{job=\"a\"}", "{job=\"b\"}"]);
    }
}
