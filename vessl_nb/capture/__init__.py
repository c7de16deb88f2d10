"""What a runner takes along: its definitions, the names it uses, its source, requirements and artifacts."""
