//! `/api/v1/families`: the names of families across all groups, what the groups say of them, and who pushes them.

use std::sync::Arc;

use http::Response;
use wharf_gateway::{Refusal, RefusedPush, Right};
use wharf_model::name::NameRule;
use wharf_model::{Effort, Stopped};
use wharf_store::{FamilyView, FragmentView, Snapshot};

use crate::answer::envelope;
use crate::answer::json::Members;
use crate::answer::refused::{write_group, write_refused};
use crate::answer::status;
use crate::answer::streamed::{self, Flow};
use crate::request::words::Words;
use crate::request::{parameters, query};
use crate::routes::row::Asked;
use crate::transport::chunks::ResponseBody;
use crate::workers;

/// To look at a family.
const FAMILY_STEPS: u64 = 128;
/// Groups that are named as examples.
const SAMPLE_GROUPS: usize = 5;
/// Groups that are looked at to find them: some may have the family without metrics.
const SAMPLED_GROUPS: usize = 100;
/// Different help texts that are shown.
const MAX_HELPS: usize = 10;

/// `GET /api/v1/families`.
pub(crate) async fn list(asked: Asked<'_>) -> Response<ResponseBody> {
    let service = Arc::clone(&asked.service);
    let request = ListRequest::of(asked.query);
    let choice = asked.caller.scope(Right::Read).groups();
    let listed = workers::run_in(asked.work(), move |effort, place| {
        let request = request?;
        let mut refused = service.gateway.activity().refused.list();
        if !choice.is_all() {
            let mut choosing = choice.begin(effort);
            let mut seen = Vec::new();
            for push in refused {
                if push.key.as_ref().map_or(Ok(false), |key| choosing.has(key))? {
                    seen.push(push);
                }
            }
            refused = seen;
        }
        let snapshot = service.gateway.store().snapshot().matching(&choice, effort)?;
        let page = request.page(&snapshot, effort)?;
        let names = service.gateway.settings().pushes.names;
        let body = streamed::body(|flow| write(snapshot, page, refused, names, flow))?;
        Ok(envelope::streamed_private(body.holding(place)))
    });
    listed.await.unwrap_or_else(status::answer)
}

#[derive(Debug)]
struct ListRequest {
    words: Words,
    family: Option<String>,
    limit: usize,
    /// The last family of the page before.
    cursor: Option<String>,
}

impl ListRequest {
    fn of(query: Option<&str>) -> Result<Self, Refusal> {
        let mut request = Self {
            words: Words::default(),
            family: None,
            limit: parameters::DEFAULT_LIMIT,
            cursor: None,
        };
        for (name, value) in query::parameters(query)? {
            match name.as_str() {
                "q" => request.words = Words::of(&value)?,
                "family" => request.family = Some(value),
                "limit" => request.limit = parameters::limit(&value)?,
                "cursor" => request.cursor = Some(value),
                other => return Err(query::unknown(other, "q, family, limit, cursor")),
            }
        }
        Ok(request)
    }

    fn passes(&self, family: FamilyView<'_>, effort: &Effort) -> Result<bool, Stopped> {
        effort.spend(FAMILY_STEPS)?;
        if self.family.as_ref().is_some_and(|name| family.name() != name) {
            return Ok(false);
        }
        // A family that all groups have without metrics is in no scrape.
        let Some(meta) = family.meta() else {
            return Ok(false);
        };
        if self.words.is_empty() {
            return Ok(true);
        }
        let help = meta.help.as_deref().unwrap_or_default();
        effort.spend(self.words.steps(family.name().len() + help.len()))?;
        Ok(self.words.occur_in(&format!("{}\n{help}", family.name())))
    }

    /// Finds out what is to be shown.
    ///
    /// # Errors
    /// If the effort ends.
    fn page(&self, snapshot: &Snapshot, effort: &Effort) -> Result<Page, Stopped> {
        let mut page = Page::default();
        for family in snapshot.families() {
            if !self.passes(family, effort)? {
                continue;
            }
            page.total += 1;
            let is_before = self
                .cursor
                .as_deref()
                .is_some_and(|cursor| family.name() <= cursor);
            if is_before {
                continue;
            }
            if page.names.len() == self.limit {
                page.has_more = true;
                continue;
            }
            page.names.push(family.shared_name());
        }
        Ok(page)
    }
}

/// Some families of a list.
#[derive(Debug, Default)]
struct Page {
    names: Vec<Arc<str>>,
    has_more: bool,
    /// How many the whole list has.
    total: u64,
}

async fn write(
    snapshot: Snapshot,
    page: Page,
    refused: Vec<RefusedPush>,
    names: NameRule,
    flow: Flow,
) -> Vec<u8> {
    let mut body = Vec::new();
    let mut envelope = envelope::open(&mut body);
    let mut data = Members::object(envelope.key("data"));
    let mut list = Members::array(data.key("families"));
    for family in page.names.iter().filter_map(|name| snapshot.family(name)) {
        write_family(list.next(), family, &refused, names, &flow).await;
        flow.pass(list.written()).await;
    }
    list.end();
    if let Some(last) = page.names.last().filter(|_| page.has_more) {
        data.string("next_cursor", last);
    }
    data.integer("total", page.total);
    data.end();
    envelope.end();
    body
}

async fn write_family(
    out: &mut Vec<u8>,
    family: FamilyView<'_>,
    refused: &[RefusedPush],
    names: NameRule,
    flow: &Flow,
) {
    let mut object = Members::object(out);
    let meta = family.meta();
    let help = meta.and_then(|meta| meta.help.as_deref());
    let unit = meta.map(|meta| &*meta.unit);
    object.string("name", family.name());
    object.text("type", meta.map(|meta| meta.metric_type.as_word()));
    object.text("help", help.filter(|help| !help.is_empty()));
    object.text("unit", unit.filter(|unit| !unit.is_empty()));
    object.integer("groups", family.groups().into());
    object.integer("series", family.series());
    object.integer("bytes", family.bytes());
    let mut groups = Members::array(object.key("sample_groups"));
    let holders = family
        .fragments()
        .take(SAMPLED_GROUPS)
        .filter(|one| one.series() > 0);
    for key in holders
        .map(|fragment: FragmentView<'_>| fragment.key())
        .take(SAMPLE_GROUPS)
    {
        let mut group = Members::object(groups.next());
        write_group(&mut group, key, names);
        group.end();
        flow.pass(groups.written()).await;
    }
    groups.end();
    let mut helps = Members::array(object.key("helps"));
    if family.metas().nth(1).is_some() {
        for (meta, groups) in family.metas().take(MAX_HELPS) {
            let mut member = Members::object(helps.next());
            member.text("help", meta.help.as_deref());
            member.string("type", meta.metric_type.as_word());
            member.text("unit", Some(&*meta.unit).filter(|unit| !unit.is_empty()));
            member.integer("groups", groups.into());
            member.end();
            flow.pass(helps.written()).await;
        }
    }
    helps.end();
    let mut conflicts = refused
        .iter()
        .filter(|push| push.family.as_deref() == Some(family.name()));
    let last = conflicts.next();
    object.integer(
        "refused",
        (usize::from(last.is_some()) + conflicts.count()) as u64,
    );
    match last {
        None => object.null("last_refused"),
        Some(push) => {
            let mut member = Members::object(object.key("last_refused"));
            write_refused(&mut member, push, names);
            member.end();
        }
    }
    object.end();
}
