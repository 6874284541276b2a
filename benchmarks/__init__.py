"""`make bench`: how long things take, as ratios to something measured in the same run. Nothing here fails a build."""
