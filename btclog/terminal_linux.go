package btclog

import "syscall"

const getTermios = syscall.TCGETS
