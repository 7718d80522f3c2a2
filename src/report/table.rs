//! Columns. Widths are counted in characters; the last column is never padded.

/// Rows as aligned lines, each with an indent. Where they are wider than the room there is, the widest of the columns that may give way
/// is cut; what a person must type next never is, and makes the line longer instead. Where the room has no end, nothing is cut.
#[must_use]
pub fn lines(rows: &[Vec<String>], indent: &str, room: Option<usize>, give_way: &[usize]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let longest = |column: usize| {
        rows.iter().filter_map(|r| r.get(column)).map(|c| c.chars().count()).max().unwrap_or(0)
    };
    let mut widths: Vec<usize> = (0..columns).map(longest).collect();
    let between = indent.chars().count() + 2 * columns.saturating_sub(1);
    while room.is_some_and(|room| widths.iter().sum::<usize>() + between > room) {
        let some = widths.iter_mut().enumerate().filter(|(column, _)| give_way.contains(column));
        let Some(widest) = some.map(|(_, width)| width).max() else { break };
        if *widest <= 8 {
            break;
        }
        *widest -= 1;
    }
    rows.iter().map(|row| line(row, &widths, indent)).collect()
}

fn line(row: &[String], widths: &[usize], indent: &str) -> String {
    let mut text = indent.to_owned();
    for (cell, width) in row.iter().zip(widths) {
        let cell = shortened(cell, *width);
        let pad = width.saturating_sub(cell.chars().count()) + 2;
        text.push_str(&cell);
        text.extend(std::iter::repeat_n(' ', pad));
    }
    text.truncate(text.trim_end().len());
    text
}

/// A text cut to the room there is.
#[must_use]
pub fn fitted(text: &str, room: Option<usize>) -> String {
    room.map_or_else(|| text.to_owned(), |room| shortened(text, room))
}

/// A text cut to a width, with a mark that it is.
fn shortened(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(width.saturating_sub(1)).collect();
    cut.push('…');
    cut
}
