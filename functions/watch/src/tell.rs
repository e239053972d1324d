//! Tells people and the bus of what opened and recovered: at least once, since what was told is remembered only after it.

use crate::{Error, PAGE, Watcher, words};
use ledger::incident::{self, Incident, Transition};

impl Watcher<'_> {
    /// Tells of everything that nobody was told of, also what an earlier tick left.
    pub(crate) async fn tell(&mut self) {
        let mut after: Option<String> = None;
        loop {
            let page = incident::causes(self.ledger(), after.as_deref(), PAGE).await.map_err(Error::from);
            let Some(page) = self.note(|| "the causes of incidents".to_owned(), page) else {
                return;
            };
            for incident in page.iter().flat_map(|(_, incidents)| incidents) {
                if self.outcome.told >= self.services.limits.told_max {
                    return;
                }
                let told = self.tell_of(incident).await;
                self.note(|| format!("the incident {}", incident.id), told);
            }
            if page.len() < PAGE {
                return;
            }
            after = page.into_iter().next_back().map(|(cause, _)| cause);
        }
    }

    async fn tell_of(&mut self, incident: &Incident) -> Result<(), Error> {
        for transition in &incident.untold {
            let (subject, text) = words::notification(incident, *transition, &self.services.commands);
            self.services.notify.notify(&subject, &text).await?;
            let event = words::incident_event(incident, *transition, &self.services.commands);
            self.services.events.put(&event).await?;
            self.outcome.told += 1;
            incident::told(self.ledger(), incident, *transition).await?;
        }
        if !incident.is_open() && incident.untold.is_empty() {
            // Told of, but a process that died left it on its cause.
            incident::told(self.ledger(), incident, Transition::Recovered).await?;
        }
        Ok(())
    }
}
