"""Programs for those who maintain this collection; nothing here is a lesson or a test."""
