"""What takes Driftline into a cluster or a release: image, Compose, chart, manifests, unit, locks, workflows."""
