//! What a dropped file may be called where others were dropped before.

use std::path::Path;

/// `a.csv`, `a-2.csv`, `a-3.csv` and so on.
pub fn names_for(file: &Path) -> impl Iterator<Item = String> + use<> {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let dot = name.find('.').filter(|dot| *dot > 0).unwrap_or(name.len());
    let (stem, ending) = (name[..dot].to_owned(), name[dot..].to_owned());
    std::iter::once(name).chain((2..10_000).map(move |number| format!("{stem}-{number}{ending}")))
}
