"""`make bench`: durations as ratios to a reference measured in the same run. No figure fails a build."""
