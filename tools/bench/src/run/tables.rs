//! What the running times come to.

use super::{Column, Results, Row};
use crate::goals::{Figure, Figures};
use crate::stats::{duration, geometric_mean};
use crate::table::Table;

/// TVM's engines that are compared with the others, by their place in [`Results::engines`]: compiled, one for each tier,
/// for the version whose programs the peers run.
const COMPARED: [usize; 2] = [0, 1];

impl Results {
    /// Each guest's ratio of one engine's time to another's.
    pub fn ratios(&self, engine: usize, to: usize) -> Vec<f64> {
        self.guests.iter().map(|row| row.times[engine].ratio(&row.times[to])).collect()
    }

    /// The guest on which an engine does worst beside another, and the ratio there.
    fn worst(&self, engine: usize, to: usize) -> (&str, f64) {
        let ratios = self.ratios(engine, to).into_iter().zip(&self.guests);
        let worst = ratios.max_by(|(a, _), (b, _)| a.total_cmp(b));
        worst.map_or(("–", f64::NAN), |(ratio, row)| (&row.guest, ratio))
    }

    /// What the goals ask for.
    pub fn figures(&self) -> Figures {
        let mut figures = Figures::new();
        for (index, Column { goal, .. }) in self.engines.iter().enumerate() {
            let Some(figure) = *goal else { continue };
            figures.insert(figure, geometric_mean(&self.ratios(COMPARED[0], index)));
            if figure == Figure::RunPolkavmProcess {
                figures.insert(Figure::RunPolkavmProcessWorst, self.worst(COMPARED[0], index).1);
            }
        }
        figures
    }

    /// Everything as tables: the comparison with each engine, with each guest, and the times.
    pub fn tables(&self) -> Vec<Table> {
        vec![self.summary(), self.by_guest(), self.times()]
    }

    fn summary(&self) -> Table {
        let columns = [
            "against",
            "TVM best",
            "goal",
            "worst guest",
            "there",
            "TVM fast",
            "worst guest",
            "there",
            "of the minima, best",
        ];
        let mut table =
            Table::new("Running time: TVM's as a ratio to others', geometric mean over the guests", &columns);
        for (index, Column { name, goal, .. }) in self.engines.iter().enumerate() {
            if index == COMPARED[0] {
                continue;
            }
            let mut row = vec![name.clone()];
            for engine in COMPARED {
                let (guest, worst) = self.worst(engine, index);
                row.push(ratio(geometric_mean(&self.ratios(engine, index))));
                if engine == COMPARED[0] {
                    row.push(goal.and_then(Figure::goal).unwrap_or_default());
                }
                row.extend([guest.to_owned(), ratio(worst)]);
            }
            let minima: Vec<f64> =
                self.guests.iter().map(|row| row.times[COMPARED[0]].min() / row.times[index].min()).collect();
            row.push(ratio(geometric_mean(&minima)));
            table.rows.push(row);
        }
        table
    }

    fn by_guest(&self) -> Table {
        let mut columns = vec!["guest", self.engines[COMPARED[0]].name.as_str()];
        let others = COMPARED[0] + 1..self.engines.len();
        columns.extend(self.engines[others.clone()].iter().map(|engine| engine.name.as_str()));
        let title = format!("Running time of {}, and its ratio to each other engine's", self.engines[COMPARED[0]].name);
        let mut table = Table::new(&title, &columns);
        for Row { guest, times, .. } in &self.guests {
            let time = &times[COMPARED[0]];
            let mut row = vec![guest.clone(), duration(time.median())];
            row.extend(others.clone().map(|index| ratio(time.ratio(&times[index]))));
            table.rows.push(row);
        }
        table
    }

    fn times(&self) -> Table {
        let columns = ["guest", "engine", "median", "10 %", "90 %", "least"];
        let mut table = Table::new("Running times", &columns);
        for Row { guest, times, .. } in &self.guests {
            for (Column { name, .. }, times) in self.engines.iter().zip(times) {
                let shown = [times.median(), times.quantile(0.1), times.quantile(0.9), times.min()].map(duration);
                table.rows.push([guest.clone(), name.clone()].into_iter().chain(shown).collect());
            }
        }
        table
    }
}

/// A ratio for people, with two digits that mean something.
fn ratio(ratio: f64) -> String {
    if ratio < 0.1 { format!("{ratio:.3}×") } else { format!("{ratio:.2}×") }
}
