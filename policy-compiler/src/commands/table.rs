//! Columns of text that line up.

/// Rows as lines, each column as wide as its widest cell, two spaces between; `indent` spaces in front.
pub(super) fn lines(rows: &[Vec<String>], indent: usize) -> String {
    let width = |cell: &String| cell.chars().count();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<_> = (0..columns)
        .map(|at| rows.iter().filter_map(|row| row.get(at)).map(width).max().unwrap_or(0))
        .collect();
    let mut out = String::new();
    for row in rows {
        let mut line = " ".repeat(indent);
        for (cell, column) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(column - width(cell) + 2));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows =
            [vec!["a".to_owned(), "b".to_owned()], vec!["l\u{e9}ng".to_owned(), String::new()], vec![]];
        assert_eq!(lines(&rows, 1), " a     b\n l\u{e9}ng\n\n");
    }
}
