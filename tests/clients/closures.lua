-- tests/clients/closures.lua: closures, coroutines, strings, tables and files; writes what it finds
-- to the file that is named, byte by byte the same on any system.
local out = assert(io.open(arg[1], "wb"))

local function say(...)
  local words = table.pack(...)
  for n = 1, words.n do out:write(tostring(words[n]), n < words.n and " " or "\n") end
end

-- Closures that share and do not share their variables.
local function counter(step)
  local n = 0
  return function() n = n + step; return n end, function() return n end
end
local add, get = counter(3)
local other = counter(5)
for _ = 1, 1000 do add(); other() end
say("closures", get(), other())

-- Coroutines: a sieve of filters.
local function sieve(limit)
  local source = coroutine.wrap(function()
    for n = 2, limit do coroutine.yield(n) end
  end)
  local primes = {}
  while true do
    local prime = source()
    if not prime then return primes end
    primes[#primes + 1] = prime
    local before = source
    source = coroutine.wrap(function()
      for n in before do
        if n % prime ~= 0 then coroutine.yield(n) end
      end
    end)
  end
end
say("primes", table.concat(sieve(300), ","))

-- Strings: patterns, formats, packing.
local text = string.rep("The quick brown fox jumps over the lazy dog. ", 200)
local words = {}
for word in text:gmatch("%a+") do words[word:lower()] = (words[word:lower()] or 0) + 1 end
local names = {}
for name in pairs(words) do names[#names + 1] = name end
table.sort(names)
for _, name in ipairs(names) do say("word", name, words[name]) end
say("format", string.format("%5.3f|%-8s|%08x|%q|%g|%s", math.pi, "left", 0xBEEF, "a\nb\0c", 1e100, 2^53))
say("pack", (string.pack("<i4dz", -7, 0.5, "end"):gsub(".", function(c) return string.format("%02x", c:byte()) end)))
say("gsub", (("hello world"):gsub("o", {o = "0"})), ("x"):rep(10, "-"), ("abc"):reverse())
say("integers", 7 // 2, -7 // 2, -7 % 3, 7 / 2, 1 << 40, math.maxinteger + 1 == math.mininteger)
say("errors", select(2, pcall(error, {code = 5})).code, (select(2, pcall(function() return nil + 1 end)):gsub("^.-:%d+: ", "")))

-- Garbage: weak tables and finalizers.
local weak, finalized = setmetatable({}, {__mode = "v"}), 0
for n = 1, 1000 do weak[n] = setmetatable({}, {__gc = function() finalized = finalized + 1 end}) end
collectgarbage(); collectgarbage()
say("garbage", next(weak) == nil, finalized)

-- Files: written, read by line, by number and by position, renamed, removed.
local name = "lua-test.tmp"
local file = assert(io.open(name, "wb"))
for n = 1, 5000 do file:write(n, " ", n * n, "\n") end
say("position", file:seek("cur", 0), file:seek("set", 4), file:seek("end"))
file:close()
local sum, lines = 0, 0
for line in io.lines(name) do
  local n, square = line:match("^(%d+) (%d+)$")
  assert(tonumber(n) ^ 2 == tonumber(square))
  sum, lines = sum + math.tointeger(square), lines + 1
end
say("lines", lines, sum)
file = assert(io.open(name, "rb"))
file:setvbuf("full", 100)
say("numbers", file:read("n", "n", "n", "n"))
file:seek("set", 10000)
say("bytes", (file:read(20):gsub("\n", "/")))
say("rest", #file:read("a"), file:read("a") == "", file:read("l") == nil)
file:close()
assert(os.rename(name, name .. "2"))
say("renamed", io.open(name) == nil, io.open(name .. "2"):close())
assert(os.remove(name .. "2"))
say("removed", (select(1, os.remove(name .. "2"))) == nil)
say("date", os.date("!%Y-%m-%d %H:%M:%S", 86400 * 365))

-- A program of its own, compiled, dumped and loaded again.
local chunk = assert(load(string.dump(assert(load("local a, b = ... return a * b + 1", "=chunk"))), "=chunk", "b"))
say("dumped", chunk(6, 7))
out:close()
