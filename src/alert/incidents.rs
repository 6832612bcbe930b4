//! How is a whole history told to people? Each alert as it stands at the end, and what belongs to one
//! incident in one block. Whoever keeps alerts here bounds their number.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::text::{self, Color};
use super::{Alert, Sensor, Status};
use crate::base::ids::Digest16;

/// Alerts as they stand, in the order in which they were first told.
#[derive(Clone, Debug, Default)]
pub struct Incidents {
    alerts: Vec<Alert>,
    places: HashMap<Digest16, usize>,
}

impl Incidents {
    /// Takes an alert in place of its earlier state.
    pub fn note(&mut self, alert: &Alert) {
        let place = *self.places.entry(alert.id).or_insert(self.alerts.len());
        match self.alerts.get_mut(place) {
            Some(known) => *known = alert.clone(),
            None => self.alerts.push(alert.clone()),
        }
    }

    /// The history is over, and nothing goes on any more.
    pub fn end(&mut self) {
        self.alerts.iter_mut().for_each(|alert| alert.status = Status::Ended);
    }

    /// All alerts, one after the other.
    #[must_use]
    pub fn alerts(&self) -> &[Alert] {
        &self.alerts
    }

    /// The alerts of each incident, the gravest first: of incidents and within one. What is as grave is
    /// in the order in which it was told.
    #[must_use]
    pub fn grouped(&self) -> Vec<Vec<&Alert>> {
        let mut groups: Vec<Vec<&Alert>> = Vec::new();
        let mut places: HashMap<Digest16, usize> = HashMap::new();
        for alert in &self.alerts {
            let place = *places.entry(alert.incident).or_insert(groups.len());
            match groups.get_mut(place) {
                Some(group) => group.push(alert),
                None => groups.push(vec![alert]),
            }
        }
        groups.iter_mut().for_each(|group| group.sort_by_key(|alert| Reverse(alert.severity)));
        groups.sort_by_key(|group| group.first().map(|gravest| Reverse(gravest.severity)));
        groups
    }

    /// A text for each incident.
    pub fn texts(&self, sensor: &Sensor, color: Color) -> impl Iterator<Item = String> {
        self.grouped().into_iter().filter_map(move |group| {
            let (first, others) = group.split_first()?;
            Some(text::incident(first, others, sensor, color))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{alert, exposure, finding, sensor, stolen_session};
    use super::*;
    use crate::detect::Severity;

    #[test]
    fn an_alert_is_told_once_and_an_incident_in_one_block_the_gravest_first() {
        let mut incidents = Incidents::default();
        let told = |id: &str, severity, count, incident: u8| {
            let mut told = alert(finding(id, severity, stolen_session()));
            told.id = Digest16([id.as_bytes()[6]; 16]);
            (told.incident, told.count) = (Digest16([incident; 16]), count);
            told
        };
        incidents.note(&told("TT-1004", Severity::High, 1, 1));
        incidents.note(&told("TT-1001", Severity::Low, 1, 2));
        incidents.note(&told("TT-1003", Severity::Critical, 1, 1));
        incidents.note(&told("TT-1004", Severity::High, 64, 1));
        let mut cleartext = alert(exposure(3));
        cleartext.incident = Digest16([3; 16]);
        incidents.note(&cleartext);
        let texts: Vec<String> = incidents.texts(&sensor(), Color::Never).collect();
        let starts: Vec<_> = texts.iter().map(|text| text.split("  ").next().unwrap()).collect();
        assert_eq!(starts, ["CRITICAL", "MEDIUM", "LOW"]);
        let also: Vec<_> = texts[0].lines().filter(|line| line.starts_with("  also")).collect();
        assert_eq!(also.len(), 1, "{}", texts[0]);
        assert!(also[0].contains("HIGH TT-1004 token.interleaved, count 64"), "{}", also[0]);
        assert!(!texts[2].contains("  also"), "{}", texts[2]);
        assert_eq!(incidents.alerts().len(), 4);
        assert!(texts.iter().all(|text| text.contains("ongoing")));
        incidents.end();
        let texts: Vec<String> = incidents.texts(&sensor(), Color::Never).collect();
        assert!(texts.iter().all(|text| text.contains("ended") && !text.contains("ongoing")));
    }
}
