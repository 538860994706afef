"""Where the bytes of files are kept: a local disk, or an object store that speaks S3."""
