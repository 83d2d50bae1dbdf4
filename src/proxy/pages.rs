//! The pages of the program itself that are in memory, and count as this process's: most were needed by its start alone.
//!
//! Knows how the system tells of mappings; must not know when the start is over.

use std::ops::Range;

/// Where the program's file is mapped to be read or run, and nobody has put pages of their own: a debugger its
/// breakpoints, a tracer its probes, a packer the whole program. Nowhere when the system does not tell.
pub fn unchanged() -> Vec<Range<usize>> {
    let program = std::fs::read_link("/proc/self/exe");
    let mappings = std::fs::read_to_string("/proc/self/smaps");
    match (program, mappings) {
        (Ok(program), Ok(mappings)) => unchanged_of(&mappings, &program.to_string_lossy()),
        _ => Vec::new(),
    }
}

/// The same of what is told in the format of `/proc/PID/smaps`.
fn unchanged_of(mappings: &str, program: &str) -> Vec<Range<usize>> {
    let (mut unchanged, mut current) = (Vec::new(), None);
    for line in mappings.lines() {
        if let Some(range) = of_program(line, program) {
            current = range;
        } else if let Some(own) = line.strip_prefix("Anonymous:")
            && own.trim() == "0 kB"
        {
            unchanged.extend(current.take());
        }
    }
    unchanged
}

/// When it is the first line of a mapping: where that is, if it is one of the program's that cannot be written to.
fn of_program(line: &str, program: &str) -> Option<Option<Range<usize>>> {
    let mut words = line.splitn(6, ' ');
    let (start, end) = words.next()?.split_once('-')?;
    let address = |text| usize::from_str_radix(text, 16).ok();
    let range = address(start)?..address(end)?;
    let access = words.next()?;
    let path = words.nth(3).unwrap_or_default().trim_start();
    let is_of_program = path == program && !access.contains('w');
    Some(is_of_program.then_some(range))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_in_the_programs_file_as_it_is_in_memory_can_go() {
        let mapping = |place: &str, path: &str, own| {
            format!(
                "{place} 00000000 fe:00 1005                 {path}\nSize: 8 kB\nRss: 8 kB\nAnonymous:  {own} kB\nVmFlags: rd\n"
            )
        };
        let mappings = [
            mapping("1000-3000 r--p", "/a program", 0),
            mapping("3000-4000 r-xp", "/a program", 4),
            mapping("4000-a000 r-xp", "/a program", 0),
            mapping("a000-b000 rw-p", "/a program", 0),
            mapping("b000-c000 r-xp", "/a library", 0),
            mapping("c000-d000 r-xp", "", 0),
        ];
        let found = unchanged_of(&mappings.concat(), "/a program");
        assert_eq!(found, [0x1000..0x3000, 0x4000..0xa000]);
        assert!(unchanged_of("", "/a program").is_empty());
    }

    #[test]
    fn a_program_goes_on_without_its_pages() {
        assert!(!unchanged().is_empty());
        crate::proxy::give_back_program();
        assert!(!unchanged().is_empty());
    }
}
