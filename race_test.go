//go:build race

package retinue_test

// raceDetector allocates for itself, so that counts mean nothing.
const raceDetector = true
