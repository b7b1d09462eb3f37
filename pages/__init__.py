"""What a person looks at: pages, timelines for Perfetto, tables and progress in the terminal."""
