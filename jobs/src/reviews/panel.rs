//! Who sits, and with what weight.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::models::exchange::AgentRole;

/// How much harm the work may do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// Three seats.
    #[default]
    Normal,
    /// Five seats, with security among them.
    High,
}

impl Risk {
    /// The one spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::High => "high",
        }
    }

    /// Seats of a panel.
    pub const fn seats(self) -> usize {
        match self {
            Self::Normal => 3,
            Self::High => 5,
        }
    }
}

impl std::str::FromStr for Risk {
    type Err = PanelError;

    fn from_str(text: &str) -> Result<Self, PanelError> {
        match text {
            "normal" => Ok(Self::Normal),
            "high" => Ok(Self::High),
            _ => Err(PanelError::Risk(text.to_owned())),
        }
    }
}

/// Why there is no such panel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PanelError {
    #[error("a panel has 3 to 5 seats, and 5 where the risk is high")]
    Seats,
    #[error("the {0} made it and may not judge it")]
    Author(AgentRole),
    #[error("where the risk is high, security sits on the panel")]
    Security,
    #[error(
        "where the risk is high, security sits on the panel, and whoever made it may not: have another role make it"
    )]
    SecurityMadeIt,
    #[error("`{0}` is no risk: expected normal or high")]
    Risk(String),
}

/// A seat of a panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Seat {
    /// Its number on the panel, from 1.
    pub seat: u32,
    pub role: AgentRole,
    /// What its vote weighs.
    pub weight: u32,
    /// The silent seat whose place it took, with its weight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<u32>,
}

impl Seat {
    /// Whether nothing is approved without its vote.
    pub fn has_veto(&self) -> bool {
        self.role == AgentRole::Security
    }
}

/// Those who are asked. What all of them weigh together never changes: a replacement takes over the weight of its seat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Panel(pub Vec<Seat>);

/// Who is asked first, where nobody says otherwise.
const PREFERRED: [AgentRole; 5] =
    [AgentRole::Reviewer, AgentRole::Tester, AgentRole::Security, AgentRole::Architect, AgentRole::Developer];

impl Panel {
    /// The panel for work of `author`: those who are asked for, or the usual ones.
    pub fn of(risk: Risk, author: AgentRole, asked: Option<&[AgentRole]>) -> Result<Self, PanelError> {
        let roles = match asked {
            Some(roles) => roles.to_vec(),
            // There are fewer roles than seats where one made it: the first is asked twice.
            None => PREFERRED.into_iter().filter(|role| *role != author).cycle().take(risk.seats()).collect(),
        };
        if risk == Risk::High && author == AgentRole::Security {
            return Err(PanelError::SecurityMadeIt);
        }
        if !(risk.seats()..=Risk::High.seats()).contains(&roles.len()) {
            return Err(PanelError::Seats);
        }
        if roles.contains(&author) {
            return Err(PanelError::Author(author));
        }
        if risk == Risk::High && !roles.contains(&AgentRole::Security) {
            return Err(PanelError::Security);
        }
        let seat = |(number, role)| Seat { seat: number, role, weight: 1, replaces: None };
        Ok(Self((1..).zip(roles).map(seat).collect()))
    }

    /// What all seats weigh together.
    pub fn total(&self) -> u32 {
        self.0.iter().filter(|seat| seat.replaces.is_none()).map(|seat| seat.weight).sum()
    }

    /// Whether no seat alone has more than half of all.
    pub fn is_balanced(&self) -> bool {
        self.0.iter().all(|seat| 2 * seat.weight <= self.total())
    }

    /// Those whose vote counts: who was replaced has none any more.
    pub fn sitting(&self) -> impl Iterator<Item = &Seat> {
        self.0.iter().filter(|seat| !self.0.iter().any(|other| other.replaces == Some(seat.seat)))
    }

    /// The seat of a number.
    pub fn seat(&self, number: u32) -> Option<&Seat> {
        self.0.iter().find(|seat| seat.seat == number)
    }

    /// Without those who took others' places, as it began.
    #[must_use]
    pub fn as_it_began(&self) -> Self {
        Self(self.0.iter().filter(|seat| seat.replaces.is_none()).copied().collect())
    }

    /// Seats others in the places of these. A role that does not sit yet is asked before one that was silent; the place
    /// of one with a veto goes to its like.
    pub fn replace(&mut self, silent: &[u32], author: AgentRole) {
        for number in silent {
            let Some(seat) = self.seat(*number).copied() else { continue };
            let unasked = PREFERRED.into_iter().find(|role| *role != author && self.0.iter().all(|s| s.role != *role));
            let role = unasked.filter(|_| !seat.has_veto()).unwrap_or(seat.role);
            let next = self.0.iter().map(|seat| seat.seat).max().unwrap_or(0) + 1;
            self.0.push(Seat { seat: next, role, weight: seat.weight, replaces: Some(*number) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(panel: &Panel) -> Vec<AgentRole> {
        panel.0.iter().map(|seat| seat.role).collect()
    }

    #[test]
    fn an_author_sits_on_no_panel_and_security_on_every_one_of_high_risk() {
        for author in AgentRole::ALL {
            let normal = Panel::of(Risk::Normal, author, None).unwrap();
            assert_eq!((normal.0.len(), normal.total()), (3, 3));
            assert!(!roles(&normal).contains(&author) && normal.is_balanced());
            match Panel::of(Risk::High, author, None) {
                Ok(high) => {
                    assert_eq!((high.0.len(), high.total()), (5, 5));
                    assert!(!roles(&high).contains(&author) && high.is_balanced());
                    assert!(roles(&high).contains(&AgentRole::Security));
                }
                Err(wrong) => assert_eq!((wrong, author), (PanelError::SecurityMadeIt, AgentRole::Security)),
            }
        }
    }

    #[test]
    fn a_panel_that_is_asked_for_is_held_to_the_same() {
        use AgentRole::{Architect, Developer, Reviewer, Security, Tester};
        let of = |risk, asked: &[AgentRole]| Panel::of(risk, Developer, Some(asked)).map(|panel| panel.0.len());
        assert_eq!(of(Risk::Normal, &[Reviewer, Reviewer, Tester]), Ok(3));
        assert_eq!(of(Risk::Normal, &[Reviewer, Tester, Security, Architect]), Ok(4));
        assert_eq!(of(Risk::Normal, &[Reviewer, Tester]), Err(PanelError::Seats));
        assert_eq!(of(Risk::High, &[Reviewer, Tester, Security, Architect]), Err(PanelError::Seats));
        assert_eq!(of(Risk::Normal, &[Reviewer, Tester, Developer]), Err(PanelError::Author(Developer)));
        let unsecured = [Reviewer, Tester, Reviewer, Architect, Architect];
        assert_eq!(of(Risk::High, &unsecured), Err(PanelError::Security));
    }

    #[test]
    fn a_replacement_has_the_weight_of_its_seat_and_a_veto_stays_one() {
        let mut panel = Panel::of(Risk::Normal, AgentRole::Developer, None).unwrap();
        let before = panel.total();
        panel.replace(&[1, 3], AgentRole::Developer);
        let sitting: Vec<_> = panel.sitting().map(|seat| (seat.seat, seat.role, seat.replaces)).collect();
        assert_eq!(
            sitting,
            [(2, AgentRole::Tester, None), (4, AgentRole::Architect, Some(1)), (5, AgentRole::Security, Some(3)),]
        );
        assert_eq!((panel.total(), panel.sitting().map(|seat| seat.weight).sum::<u32>()), (before, before));
        assert_eq!(panel.as_it_began(), Panel::of(Risk::Normal, AgentRole::Developer, None).unwrap());
    }
}
