//! What stays in memory of a private key that its owner has dropped.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
};

use catalyst_pki::{WorkloadId, generate_key_and_csr};

/// What the needle is kept under, so that the search doesn't find the needle itself.
const MASK: u8 = 0x80;

#[test]
fn nothing_of_a_key_stays_behind() {
    let id: WorkloadId = "spiffe://mesh.example.com/node/node-a".parse().unwrap();
    for _ in 0..3 {
        let made = generate_key_and_csr(&id, &[]).unwrap();
        // The base64 of most of the private number, which comes first in PKCS#8.
        let first_line = "-----BEGIN PRIVATE KEY-----\n".len();
        let needle: Vec<u8> = made.private_key_pem.as_bytes()[first_line + 48..first_line + 64]
            .iter()
            .map(|byte| byte ^ MASK)
            .collect();
        assert_eq!(occurrences(&needle), 1, "the key itself, where it belongs");
        drop(made);
        assert_eq!(occurrences(&needle), 0);
    }
}

/// How often a text, given masked, occurs in what this process has written to.
fn occurrences(needle: &[u8]) -> usize {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let mut memory = File::open("/proc/self/mem").unwrap();
    let mut found = 0;
    let mut buffer = [0_u8; 64 * 1024];
    for map in maps.lines().filter(|map| map.contains(" rw-p ")) {
        let (range, _) = map.split_once(' ').unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|place| u64::from_str_radix(place, 16).unwrap());
        memory.seek(SeekFrom::Start(start)).unwrap();
        let mut left = usize::try_from(end - start).unwrap();
        // The end of the part before, for what lies across two of them.
        let mut kept = 0;
        while left > 0 {
            let most = left.min(buffer.len() - kept);
            // What isn't there (a guard page, memory given back meanwhile) holds nothing.
            let Ok(read) = memory.read(&mut buffer[kept..kept + most]) else { break };
            let part = &buffer[..kept + read];
            let is_there = |part: &[u8]| part.iter().zip(needle).all(|(a, b)| *a == b ^ MASK);
            found += part.windows(needle.len()).filter(|part| is_there(part)).count();
            let end = part.len();
            kept = end.min(needle.len() - 1);
            buffer.copy_within(end - kept..end, 0);
            // Else it would be found again where the buffer itself lies.
            buffer[kept..].fill(0);
            left -= read.max(1);
        }
    }
    found
}
