//! The pc map's sites beside the places at which code is left.

use tvm_abi::{PcMap, TextOffset};

use crate::violation::Rule;

/// The sites that the map lists, in the order of the text. Cold sites are not listed: where they are follows from their number.
pub struct Sites<'c> {
    map: PcMap<'c>,
    /// Where each is, and whether it lies in its region, in which it is searched for.
    listed: Box<dyn Iterator<Item = (TextOffset, bool)> + 'c>,
    next: Option<(TextOffset, bool)>,
}

impl<'c> Sites<'c> {
    pub fn new(map: PcMap<'c>) -> Self {
        let starts = move || map.regions().map(|region| region.text);
        let ends = starts().skip(1).chain([TextOffset(u32::MAX)]);
        let mut listed = starts().zip(ends).enumerate().flat_map(move |(index, (start, end))| {
            map.sites_of(index).map(move |site| (site.text, (start..end).contains(&site.text)))
        });
        let next = listed.next();
        Self { map, listed: Box::new(listed), next }
    }

    /// Code is left here, behind all places before.
    pub fn left_at(&mut self, place: TextOffset) -> Result<(), Rule> {
        match self.next {
            Some((text, is_found)) if text == place => {
                self.next = self.listed.next();
                // Where cold sites are, nobody searches the list.
                if is_found && !self.map.is_cold(place) { Ok(()) } else { Err(Rule::Site) }
            }
            Some((text, _)) if text < place => Err(Rule::Site),
            _ if self.map.cold_site_at(place).is_some() => Ok(()),
            _ => Err(Rule::NoSite),
        }
    }

    /// The first site at which code is not left.
    pub fn left_over(&self) -> Option<TextOffset> {
        self.next.map(|(text, _)| text)
    }
}
