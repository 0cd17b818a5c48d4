//! Columns of text.

/// Rows under a head, each column as wide as its widest cell; no blanks at the ends of lines.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(|&name| name.to_owned()).collect();
    columns(std::iter::once(&head).chain(rows))
}

/// Names and values, one pair a line; what has no value is left out.
pub fn pairs(pairs: &[(&str, String)]) -> String {
    let rows: Vec<Vec<String>> =
        pairs.iter().filter(|(_, value)| value != NOTHING).map(|(name, value)| vec![(*name).to_owned(), value.clone()]).collect();
    columns(rows.iter())
}

/// What stands where there is no value.
pub const NOTHING: &str = "-";

fn columns<'a>(rows: impl Iterator<Item = &'a Vec<String>> + Clone) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows.clone() {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in rows {
        let line: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_have_to_be() {
        let rows =
            [vec!["a".to_owned(), "1–5".to_owned(), "x".to_owned()], vec!["long".to_owned(), "-".to_owned(), String::new()]];
        assert_eq!(table(&["ID", "W", "Z"], &rows), "ID    W    Z\na     1–5  x\nlong  -\n");
        assert_eq!(
            pairs(&[("name", "n".to_owned()), ("reason", NOTHING.to_owned()), ("at", "t".to_owned())]),
            "name  n\nat    t\n"
        );
    }
}
