-- SPDX-License-Identifier: MIT
-- wrk sends prepared requests, each once, in the order of the file: wrk -s load.lua URL -- FILE SIZE FIRST
-- and prints what it counted on one line: requests, answers that were errors, failed connections, microseconds of the
-- run, of the median and of the 99th percentile, and whether the file was too short.
local file, size, last

function init(arguments)
    file = assert(io.open(arguments[1], 'rb'))
    size = tonumber(arguments[2])
    file:seek('set', size * tonumber(arguments[3]))
end

function request()
    local text = file:read(size)
    if not text then
        wrk.thread:stop()
        return last
    end
    last = text
    return text
end

function done(summary, latency)
    local e = summary.errors
    print(string.format('counted %d %d %d %d %.0f %.0f', summary.requests, e.status,
        e.connect + e.read + e.write + e.timeout, summary.duration, latency:percentile(50), latency:percentile(99)))
end
