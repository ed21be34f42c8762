"""What ``adpulse probe`` asks a platform, how it judges the answers, and what it keeps of them. Pure; each platform brings its own part."""
