//go:build !race

package retinue_test

const raceDetector = false
