//! Are secrets handed on where they stand in the capture?

use super::*;

/// Frames with the secrets that came before each of them.
fn with_secrets(bytes: &[u8]) -> (Vec<(usize, Vec<u8>)>, Option<FileError>) {
    let mut file = CaptureFile::read(std::io::Cursor::new(bytes.to_vec())).unwrap();
    let (mut frames, mut secrets) = (0, Vec::new());
    loop {
        match file.advance() {
            Ok(true) => {
                let blocks = file.take_secrets().map_or_else(Vec::new, |secrets| secrets.blocks);
                secrets.extend(blocks.iter().map(|block| (frames, block.expose().clone())));
                frames += file.frames().count();
            }
            Ok(false) => return (secrets, None),
            Err(error) => return (secrets, Some(error)),
        }
    }
}

#[test]
fn secrets_come_before_the_frames_behind_them() {
    let rows = rows();
    for order in [Little, Big] {
        let block = |file: PcapNg, kind: u32, claimed: usize, text: &[u8]| {
            let content = [&u32_in(order, kind)[..], &u32_in(order, claimed as u32), text].concat();
            file.block(10, &content)
        };
        let file = PcapNg::new(order).interface(1, 0, &[]);
        let file = block(file, 0x544c_534b, 5, b"A b c");
        let file = block(file, 0x5747_4b4c, 4, b"none").enhanced(0, 1, &rows[0]).enhanced(0, 2, &rows[1]);
        let long = vec![b'x'; 3 << 20];
        let file = block(block(file, 0x544c_534b, long.len(), &long), 0x544c_534b, 2, b"de").enhanced(0, 3, &rows[2]);
        let (secrets, error) = with_secrets(&file.bytes);
        assert!(error.is_none(), "{error:?}");
        assert_eq!(secrets, [(0, b"A b c".to_vec()), (2, long), (2, b"de".to_vec())]);
        assert_eq!(read_whole(&file.bytes).len(), 3);

        let cut = file.bytes.len() - 400;
        assert!(matches!(with_secrets(&file.bytes[..cut]).1, Some(FileError::Truncated { .. })));
        let file = block(PcapNg::new(order).interface(1, 0, &[]), 0x544c_534b, 6, b"abcd").enhanced(0, 1, &rows[0]);
        let (secrets, error) = with_secrets(&file.bytes);
        assert!(error.is_none() && secrets.is_empty(), "it claims more than there is");
        assert_eq!(read_whole(&file.bytes).len(), 1);
    }
}
