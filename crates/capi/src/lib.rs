//! Reserved for the C ABI between Python and the native engine. Nothing loads this crate yet.
//!
//! All `unsafe` of the workspace will be here, each block under a `// SAFETY:` line. It becomes a `cdylib`
//! with the first exported function; until then a shared library would only look like one.

/// The version of the C ABI; zero says that none has been published.
///
/// A loader compares it with the version it was written for and refuses any other, so it grows with each
/// incompatible change and a number is never used twice.
pub const ABI_VERSION: u32 = 0;

#[cfg(test)]
mod tests {
    use super::ABI_VERSION;

    #[test]
    fn no_abi_is_published_while_nothing_is_exported() {
        assert_eq!(ABI_VERSION, 0);
    }
}
