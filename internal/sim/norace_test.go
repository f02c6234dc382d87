//go:build !race

package main

const manySeeds = 300
