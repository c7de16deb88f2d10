"""What a runner takes along: its code, the names it uses, its source, requirements and artifacts."""
