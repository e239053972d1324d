//! Tells people and the bus of what opened and recovered: at least once, since what was told is remembered only after it.

use crate::{Error, PAGE, Watcher, words};
use ledger::incident::{self, Incident, Transition};

impl Watcher<'_> {
    /// Tells of everything that nobody was told of, also what an earlier tick left.
    pub(crate) async fn tell(&mut self) {
        let (mut after, mut tried): (Option<String>, usize) = (None, 0);
        loop {
            let page = incident::causes(self.ledger(), after.as_deref(), PAGE).await.map_err(Error::from);
            let Some(page) = self.note(|| "the causes of incidents".to_owned(), page) else {
                return;
            };
            let is_last = page.len() < PAGE;
            for (cause, incidents) in page {
                let incidents = self.note(|| cause.clone(), incidents.map_err(Error::from));
                for incident in incidents.into_iter().flatten() {
                    // Those that could not be told count too: a topic that is down is not asked once for each of thousands.
                    if tried >= self.services.limits.told_max || self.run.is_out_of_time() {
                        return;
                    }
                    tried += incident.untold.len();
                    let told = self.tell_of(&incident).await;
                    self.note(|| format!("the incident {}", incident.id), told);
                }
                after = Some(cause);
            }
            if is_last {
                return;
            }
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
