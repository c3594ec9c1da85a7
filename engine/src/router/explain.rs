//! A route as people read it.

use std::fmt;

use super::route::{Ranked, Route};

impl fmt::Display for Route {
    /// The choice on the first line, and below it every model with every reason.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.chosen {
            Some(chosen) => writeln!(f, "{}: {} ({})", self.cut, chosen.model, chosen.step)?,
            None => writeln!(f, "{}: no model can make it", self.cut)?,
        }
        writeln!(f, "  type {}: {}", self.kind.kind, self.kind.why)?;
        let chosen = self.chosen.as_ref().map(|chosen| &chosen.model);
        if let Some(wish) = self.wish.as_ref().filter(|wish| Some(*wish) != chosen) {
            writeln!(f, "  {wish} would come first, if this machine could")?;
        }
        for (at, ranked) in self.ranked.iter().enumerate() {
            ranked.write(f, at + 1)?;
        }
        Ok(())
    }
}

impl Ranked {
    fn write(&self, f: &mut fmt::Formatter<'_>, number: usize) -> fmt::Result {
        let place = self.host.as_deref().unwrap_or("this machine");
        write!(f, "  {number}. {}, {} on {place}: ", self.name, self.title)?;
        match (self.step, self.ahead_by) {
            (None, _) => writeln!(f, "cannot make it")?,
            (Some(step), None) => writeln!(f, "{step}")?,
            (Some(step), Some(rule)) => writeln!(f, "{step}, ahead of the next by {rule}")?,
        }
        for reason in &self.reasons {
            write!(f, "     {:<8} {}: {}", reason.stance, reason.rule, reason.text)?;
            match &reason.change {
                Some(change) => writeln!(f, " ({change})")?,
                None => writeln!(f)?,
            }
        }
        Ok(())
    }
}
