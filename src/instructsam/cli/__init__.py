"""The `instructsam` command, one file per subcommand; `main` lists them."""
