//! Reads one resource of an HTTP API, page by page.

use crate::error::{Error, FetchError};
use crate::http::{Client, Names, Parts, Reply};
use crate::paging::{self, Mark, PageFacts, PagingError};
use crate::position::Position;
use crate::raw::RawWriter;
use crate::redirect::{self, Refusal};
use crate::render::Renderer;
use crate::request::{self, Sent};
use crate::skim::{Plan, Skimmed, Wrong, path_shown};
use crate::{incremental, link};
use lake::{BodyForm, CaptureHead};
use ledger::Step;
use pipeline::{Endpoint, Paginator, Path, RestApi};
use std::borrow::Cow;
use std::sync::Arc;
use url::Url;

/// What it takes to read a resource.
pub struct Job<'a> {
    pub api: &'a RestApi,
    pub endpoint: &'a Endpoint,
    /// In the place of the source's own address.
    pub base_url: Option<&'a str>,
    pub renderer: Renderer,
    pub names: Arc<Names>,
    pub seed: u64,
    /// Stop well after so many pages.
    pub pages_max: Option<u32>,
}

/// Reads the resource to its end, from where `writer` stands.
pub async fn extract(job: Job<'_>, writer: &mut RawWriter<'_>) -> Result<(), Error> {
    let (endpoint, pages_max) = (job.endpoint, job.pages_max);
    let mut pages = Pages::new(job, writer)?;
    let mut position = writer.progress.next.clone();
    if position == Position::Start {
        position = Position::Page(paging::first(&endpoint.paginator));
    }
    let mut read = 0;
    loop {
        let state = match position {
            Position::Page(state) => state,
            Position::Done if writer.is_empty() => return Ok(()),
            other if writer.is_empty() => return Err(other.not_of("rest_api")),
            other => {
                position = writer.close(&other).await?;
                continue;
            }
        };
        let next = match pages.read(&state, writer).await {
            Err(Error::OutOfTime) => return Err(writer.hand_over(&Position::Page(state), pages.client.carried()).await?),
            read => read?,
        };
        position = match next {
            Some(next) if next.pages >= endpoint.pages_max => {
                let source = PagingError::TooMany {
                    pages_max: endpoint.pages_max,
                };
                return Err(pages.cannot_go_on(source));
            }
            Some(next) => Position::Page(next),
            None => Position::Done,
        };
        read += 1;
        if pages_max.is_some_and(|pages_max| read >= pages_max) {
            position = Position::Done;
        }
        if position != Position::Done && writer.run.is_out_of_time() {
            return Err(writer.hand_over(&position, pages.client.carried()).await?);
        }
        if writer.is_full() {
            position = writer.close(&position).await?;
        }
    }
}

/// The pages of a resource.
struct Pages<'a> {
    client: Client,
    endpoint: &'a Endpoint,
    plan: Plan,
    base: Url,
    /// What an address may be below: the address in use, and the one that the pipeline names, should they differ.
    bases: Vec<Url>,
    path: String,
    params: Vec<(String, String)>,
    /// The reply's body; used again for every page.
    body: Vec<u8>,
    /// The page asked for last, secrets redacted.
    url: String,
}

impl<'a> Pages<'a> {
    fn new(job: Job<'a>, writer: &RawWriter<'_>) -> Result<Pages<'a>, Error> {
        let Job {
            api,
            endpoint,
            mut renderer,
            ..
        } = job;
        let own = renderer
            .render(&api.base_url, "base_url")
            .and_then(|own| request::base(&own.text, "base_url"));
        let (base, bases) = match job.base_url {
            None => own.map(|own| (own.clone(), vec![own]))?,
            Some(other) => {
                let other = request::base(other, "the base URL in its place")?;
                (other.clone(), [other].into_iter().chain(own.ok()).collect())
            }
        };
        let path = renderer.render(&endpoint.path, "path")?.text;
        let mut sent = Sent::new(
            &mut renderer,
            api.auth.as_ref(),
            &[&api.headers, &endpoint.headers],
            &[&api.params, &endpoint.params],
        )?;
        let params = std::mem::take(&mut sent.params);
        let redactor = sent.redactor(renderer);
        Ok(Pages {
            client: Client::new(Parts {
                home: base.clone(),
                limits: api.http.clone(),
                credential: sent.credential,
                headers: sent.headers,
                secret_params: sent.secret_params,
                redactor,
                names: job.names,
                time: writer.time(),
                carried: writer.carried.clone(),
                seed: job.seed,
                accept_encoding: "gzip, br, zstd",
            }),
            endpoint,
            plan: Plan::new(endpoint),
            base,
            bases,
            path,
            params,
            body: Vec::new(),
            url: String::new(),
        })
    }

    /// Reads the page that `state` asks for into `writer`, and says what comes after it.
    async fn read(&mut self, state: &paging::State, writer: &mut RawWriter<'_>) -> Result<Option<paging::State>, Error> {
        let url = self.address(state)?;
        self.url = self.client.redactor().url(&url);
        let reply = writer.wait_for(self.client.get(&url, &mut self.body)).await??;
        let text = std::str::from_utf8(&self.body)
            .ok()
            .map(|text| text.trim_matches([' ', '\t', '\n', '\r']));
        let skimmed = text.and_then(|text| self.plan.skim(text).ok());
        let records = skimmed.as_ref().map_or(0, |skimmed| skimmed.records);
        writer.run.reached(Step::PageReceived {
            records,
            bytes: self.body.len() as u64,
        })?;
        let nothing = self.body.is_empty() && reply.status == 204;
        let head = CaptureHead {
            at_ms: reply.at_ms,
            url: &self.url,
            status: reply.status,
            content_type: reply.content_type.as_deref(),
            piece: None,
        };
        match (text, &skimmed) {
            (Some(text), Some(skimmed)) => {
                let form = BodyForm::Json {
                    line_breaks: skimmed.line_breaks,
                };
                writer.capture(&head, text.as_bytes(), form)?;
                writer.saw_cursor(skimmed);
            }
            _ if nothing => {}
            _ => writer.capture(&head, &self.body, BodyForm::Auto)?,
        }
        let skimmed = match skimmed {
            Some(skimmed) => skimmed,
            None if nothing || !self.needs_records() => Skimmed {
                selected: true,
                ..Skimmed::default()
            },
            None => return Err(Error::NotJson { url: self.url.clone() }),
        };
        if state.pages == 0
            && let Some(path) = self.unseen_next(&skimmed)
        {
            writer.notice(format!("no `{}` in the first reply: taken as the last page", path_shown(path)));
        }
        let facts = self.facts(&reply, skimmed)?;
        let selector = self.endpoint.data_selector.as_ref();
        paging::next(&self.endpoint.paginator, selector, state, &facts).map_err(|source| self.cannot_go_on(source))
    }

    /// The path at which the way to the next page should stand, when a page with records has nothing there: it may be misspelt, or the
    /// source leaves the key out of its last page.
    fn unseen_next(&self, page: &Skimmed<'_>) -> Option<&Path> {
        let path = match &self.endpoint.paginator {
            Paginator::Cursor { cursor_path, .. } => cursor_path,
            Paginator::NextUrl { next_url_path } => next_url_path,
            _ => return None,
        };
        (page.records > 0 && !page.has_next_key && page.has_more.is_none()).then_some(path)
    }

    fn cannot_go_on(&self, source: PagingError) -> Error {
        Error::Paging {
            url: self.url.clone(),
            source,
        }
    }

    /// Whether a reply without records would end the run as if there were no more: then an error document must not pass for one.
    fn needs_records(&self) -> bool {
        !matches!(self.endpoint.paginator, Paginator::SinglePage {})
    }

    fn address(&self, state: &paging::State) -> Result<Url, Error> {
        if let Mark::Url(kept) = &state.at {
            return request::whole_address(&self.base, kept).ok_or_else(|| self.refused(Refusal::NoLocation));
        }
        let mut params = self.params.clone();
        params.extend(paging::params(&self.endpoint.paginator, &state.at));
        request::address(&self.base, &self.path, &params)
    }

    fn facts(&self, reply: &Reply, skimmed: Skimmed<'_>) -> Result<PageFacts, Error> {
        let nowhere = (self.needs_records() && !skimmed.selected).then_some(Wrong::SELECTOR);
        if let Some(source) = skimmed.wrong.or(nowhere) {
            return Err(Error::Reply {
                url: self.url.clone(),
                source,
            });
        }
        let next = match &self.endpoint.paginator {
            Paginator::NextUrl { .. } => skimmed.next.as_deref(),
            Paginator::LinkHeader { rel } => reply.link.as_deref().and_then(|header| link::target(header, rel)),
            _ => None,
        };
        let next = match (next, &self.endpoint.paginator) {
            (Some(reference), _) => Some(Mark::Url(self.kept(reply, reference)?)),
            (None, Paginator::Cursor { .. }) => skimmed.next.map(Cow::into_owned).map(Mark::Cursor),
            (None, _) => None,
        };
        Ok(PageFacts {
            records: skimmed.records,
            hash: skimmed.hash,
            total: skimmed.total,
            next,
            has_more: skimmed.has_more,
        })
    }

    /// The address of a next page as it is kept: without a secret.
    fn kept(&self, reply: &Reply, reference: &str) -> Result<paging::Address, Error> {
        let redactor = self.client.redactor();
        let url = redirect::next_page(&reply.url, reference).map_err(|refusal| self.refused(refusal))?;
        let kept = request::kept_address(&self.bases, redactor, url);
        // What will be asked, which is elsewhere when another address stands in the place of the pipeline's.
        request::whole_address(&self.base, &kept)
            .ok_or(Refusal::NoLocation)
            .and_then(|asked| redirect::next_allowed(&self.base, &reply.url, &asked, self.client.is_private()))
            .map_err(|refusal| self.refused(refusal))?;
        let text = match &kept {
            paging::Address::Below(text) | paging::Address::Whole(text) => text,
        };
        if redactor.is_free_of_secrets(text) {
            Ok(kept)
        } else {
            Err(self.refused(Refusal::Secret))
        }
    }

    fn refused(&self, refusal: Refusal) -> Error {
        Error::Fetch {
            url: self.url.clone(),
            source: FetchError::Refused(refusal),
        }
    }
}

/// The window of a run, as its texts.
pub fn window(endpoint: &Endpoint, cursor: Option<i64>) -> Result<incremental::Window, Error> {
    let Some(incremental) = &endpoint.incremental else {
        return Ok(incremental::Window::default());
    };
    incremental::window(incremental, cursor).map_err(|bad| Error::Setup {
        place: format!("incremental.{}", bad.key),
        problem: bad.to_string(),
    })
}
