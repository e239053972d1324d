//! Who holds a lease on this machine, and whether that process still lives.

use ledger::Holder;
use std::{fs, process};

/// This process, as a holder of leases.
pub fn this_process() -> Holder {
    let id = process::id();
    Holder {
        name: format!("process {id} on {}", host()),
        process: Some(id),
        process_start: process_start(id),
    }
}

/// Whether the holder is a process of this machine that is no more: its number is free, or was given to another. Where the system does not tell
/// (or on another machine), nobody is dead, and the lease's expiry decides.
pub fn is_dead(holder: &Holder) -> bool {
    let (Some(id), Some(start)) = (holder.process, &holder.process_start) else {
        return false;
    };
    if holder.name != format!("process {id} on {}", host()) {
        return false;
    }
    process_start(process::id()).is_some() && process_start(id).as_ref() != Some(start)
}

/// When a process started: this boot of the machine, and the ticks since it (field 22 of `/proc/{id}/stat`). `None` when there is no such process, or no
/// `/proc`.
fn process_start(id: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The second field, the command's name in brackets, may hold spaces and brackets itself.
    let after_name = stat.rsplit_once(')').map(|(_, after)| after)?;
    let mut fields = after_name.split_ascii_whitespace();
    // A zombie has ended: it only waits for its parent.
    if fields.next()? == "Z" {
        return None;
    }
    let ticks = fields.nth(18)?;
    let boot = read("/proc/sys/kernel/random/boot_id")?;
    Some(format!("{boot}/{ticks}"))
}

fn host() -> String {
    read("/proc/sys/kernel/hostname").unwrap_or_else(|| "this machine".to_owned())
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn this_process_lives() {
        assert!(!is_dead(&this_process()));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_that_ended_is_dead_and_so_is_one_whose_number_was_given_on() {
        let mut child = process::Command::new("sleep").arg("60").spawn().expect("`sleep` starts");
        let holder = Holder {
            name: format!("process {} on {}", child.id(), host()),
            process: Some(child.id()),
            process_start: process_start(child.id()),
        };
        assert!(!is_dead(&holder));
        let given_on = Holder {
            process_start: Some("1".to_owned()),
            ..holder.clone()
        };
        assert!(is_dead(&given_on));
        child.kill().unwrap();
        // Killed and not waited for yet, it is a zombie; waited for, its number is free.
        child.wait().unwrap();
        assert!(is_dead(&holder));
    }

    #[test]
    fn nobody_elsewhere_is_dead() {
        let elsewhere = Holder {
            name: "process 1 on elsewhere".to_owned(),
            process: Some(1),
            process_start: Some("1".to_owned()),
        };
        assert!(!is_dead(&elsewhere));
    }
}
