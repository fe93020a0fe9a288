# The statistics of analysis/stats a second time, with what base R has and in other ways where it has nothing: sets of
# indices, matrices and integrate() in the place of sums and recursions. Made-up data, no random numbers.
#   Rscript tests/ref/statistics.R >tests/ref/statistics.tsv
# A row: name, inputs, results (tests/unit/r_reference_test.c reads them; tests/cli/r_reference_test.py runs this).
options(digits = 15, warn = 2)

text <- function(x) {
    s <- formatC(as.numeric(x), digits = 15, format = "g", width = 1)
    s[is.nan(x) | is.na(x)] <- "nan"
    s[x %in% Inf] <- "inf"
    s[x %in% -Inf] <- "-inf"
    paste(s, collapse = " ")
}
row <- function(name, inputs, results) cat(name, "\t", text(inputs), "\t", text(results), "\n", sep = "")
made_up <- function(n, a) ((seq_len(n)^2 * 37 + seq_len(n) * a) %% 101) / 20 - 2.5

# ---- the sign test ----
above <- function(n, k, p = 0.5) pbinom(k - 1, n, p, lower.tail = FALSE)
needed <- function(n, level = 0.05) { c <- 0:n; c <- c[above(n, c) <= level]; if (length(c)) min(c) else n + 1 }
samples <- list(made_up(5, 11), made_up(8, 3), c(made_up(11, 5), NaN, NaN), c(Inf, -Inf, made_up(11, 7)),
                made_up(20, 13), c(NaN, Inf, Inf, Inf, Inf, 1, 2), 1:4, made_up(23, 29), rep(0.5, 8))
for (d in samples) for (m in c(-1, 0, 0.5)) {
    n <- length(d)
    s <- sum(d > m, na.rm = TRUE); f <- sum(d < m, na.rm = TRUE)
    row("sign", c(m, d), c(s, f, sum(d == m, na.rm = TRUE), sum(is.nan(d)),
                           binom.test(s, n, 0.5, alternative = "greater")$p.value,
                           binom.test(f, n, 0.5, alternative = "greater")$p.value))
}
# The bounds, by inverting the test: the margins that it does not reject lie between them.
bounds <- function(d, c) {
    marks <- sort(unique(d[is.finite(d)]))
    tries <- c(marks - 1e-9, marks + 1e-9, -1e9, 1e9)
    shown <- tries[sapply(tries, function(m) sum(d > m, na.rm = TRUE) >= c)]
    against <- tries[sapply(tries, function(m) sum(d < m, na.rm = TRUE) >= c)]
    near <- function(x) {
        y <- marks[which.min(abs(marks - x))]
        if (length(y) && abs(y - x) < 1e-8) y else sign(x) * Inf
    }
    c(if (length(shown)) near(max(shown)) else -Inf, if (length(against)) near(min(against)) else Inf)
}
for (d in samples) {
    n <- length(d); c <- needed(n)
    row("bounds", d, c(bounds(d, c), if (c > n) NaN else 1 - 2 * above(n, c)))
}
for (n in c(4:23, 40, 100)) for (e in c(0.5, 1, 2)) {
    c <- needed(n)
    row("power", c(n, e), c(c, above(n, c), above(n, c, pnorm(e))))
}
best <- cummax(sapply(5:60, function(n) above(n, needed(n), pnorm(1))))
row("offered", 60, (5:60)[c(TRUE, diff(best) > 0)])
# Equivalence: all ways of falling below, within and above, by their multinomial chance.
for (n in c(5, 8, 13, 18)) for (e in c(0, 0.4)) for (m in c(0.5, 1, 2)) {
    below <- pnorm(-m, e); over <- pnorm(m, e, lower.tail = FALSE); spare <- n - needed(n)
    ways <- expand.grid(a = 0:spare, b = 0:spare); ways <- ways[ways$a + ways$b <= n, ]
    row("equivalence", c(n, e, m),
        sum(apply(ways, 1, function(w) dmultinom(c(w[1], w[2], n - sum(w)), prob = c(below, over, 1 - below - over)))))
}
# Words, each by its own condition: 0 beyond, 1 smaller, 2 same direction, 3 to 5 opposite, 6 equivalent, 7, 8.
for (M in 0:2) for (L in c(-Inf, -3:3)) for (U in c(-3:3, Inf)) if (L <= U) {
    holds <- c(L > M, L > 0 && U < M, L > 0, U < -M, U < 0 && L > -M, U < 0, L > -M && U < M, U < M, TRUE)
    row("word", c(L, U, M), which(holds)[1] - 1)
}

# ---- looks ----
# The state is the pair of counts (beyond, against), as a matrix. sides 1: paths end where one side is reached; 2: where
# either is, or neither can be.
walk <- function(seeds, needed, p, sides) {
    size <- max(seeds) + 1
    state <- matrix(0, size, size); state[1, 1] <- 1
    out <- list(shown = 0, against = 0, mean = 0, spent = numeric(length(seeds)))
    for (n in seq_len(max(seeds))) {
        moved <- matrix(0, size, size)
        moved[-1, ] <- moved[-1, ] + p * state[-size, ]
        moved[, -1] <- moved[, -1] + (1 - p) * state[, -size]
        state <- moved
        i <- match(n, seeds)
        if (is.na(i)) next
        later <- seeds > n
        open <- function(k) any(k + seeds[later] - n >= needed[later])
        for (s in 0:n) {
            here <- state[s + 1, n - s + 1]
            up <- s >= needed[i]; down <- sides == 2 && n - s >= needed[i]
            if (up) out$shown <- out$shown + here
            if (down) out$against <- out$against + here
            if (up || down || (sides == 2 && !open(s) && !open(n - s))) {
                out$mean <- out$mean + n * here
                state[s + 1, n - s + 1] <- 0
            }
        }
        out$spent[i] <- out$shown
    }
    out
}
none <- 2^20
early <- c(5, none, 11, 13, 15)
designs <- list(list(c(5, 8, 12, 16, 20), early), list(c(5, 8, 12, 16, 20), c(none, 8, 10, 12, 15)),
                list(c(5, 8, 12, 16, 20), sapply(c(5, 8, 12, 16, 20), needed)), list(13, 10),
                list(c(6, 10, 25), c(6, 9, 18)))
for (d in designs) for (p in c(0.5, pnorm(c(0.5, 1, 2)))) {
    one <- walk(d[[1]], d[[2]], p, 1); two <- walk(d[[1]], d[[2]], p, 2)
    row("looks", c(p, d[[1]], d[[2]]), c(one$spent, two$shown, two$against, two$mean))
}
for (a in c(3, 5, 17)) for (n in c(4, 5, 9, 12, 20)) {
    d <- made_up(20, a); low <- -Inf; high <- Inf
    for (i in which(c(5, 8, 12, 16, 20) <= n)) {
        b <- bounds(d[seq_len(c(5, 8, 12, 16, 20)[i])], early[i])
        if (max(low, b[1]) <= min(high, b[2])) { low <- max(low, b[1]); high <- min(high, b[2]) }
    }
    row("looks_bounds", d[seq_len(n)], c(low, high))
}

# ---- counts of runs ----
for (b in 0:7) for (c in c(0, 1, 4, 12)) if (b + c > 0)
    row("mcnemar", c(b, c), sapply(c("greater", "less", "two.sided"), function(s) binom.test(b, b + c, 0.5, s)$p.value))
power_of_mcnemar <- function(n, a, b) {
    more <- a * (1 - b); fewer <- b * (1 - a); power <- 0
    for (x in 0:n) for (y in 0:(n - x)) if (x + y > 0 && above(x + y, x) <= 0.05)
        power <- power + dmultinom(c(x, y, n - x - y), prob = c(more, fewer, 1 - more - fewer))
    power
}
for (n in c(4, 12, 21)) for (a in c(0.3, 0.5)) for (b in c(0, 0.1))
    row("mcnemar_power", c(n, a, b), power_of_mcnemar(n, a, b))
for (n in c(1, 5, 8, 12, 20, 200)) for (x in unique(pmin(n, c(0, 1, 4, 150))))
    row("share_upper", c(x, n, 0.95), binom.test(x, n, alternative = "less", conf.level = 0.95)$conf.int[2])
for (s in c(0.1, 0.34)) for (k in c(0, 239, 240, 700, 2000)) row("learned", c(k, 2000, s), above(2000, k, s))
for (s in c(0.1, 0.5)) for (n in c(3, 500, 2000, 10000)) for (r in c(1, 20))
    row("learned_floor", c(n, s, r), min(which(above(n, 0:(n + 1), s) <= 0.05 / r)) - 1)
rank_sums <- function(x, y) {
    r <- rank(c(x, y)); n <- length(x); all <- combn(r, n, sum); w <- sum(r[seq_len(n)])
    up <- mean(all >= w - 1e-9); down <- mean(all <= w + 1e-9)
    c(mean(outer(x, y, ">") + 0.5 * outer(x, y, "==")), up, down, min(1, 2 * min(up, down)))
}
for (n in c(1, 3, 5, 8)) for (m in c(2, 6)) {
    x <- made_up(n, 7) + 1; y <- made_up(m, 23)
    row("rank_sum", c(n, x, y), rank_sums(x, y))
    row("rank_sum", c(n, round(x), round(y)), rank_sums(round(x), round(y)))
    if (!anyDuplicated(c(x, y)))
        stopifnot(abs(wilcox.test(x, y, alternative = "greater", exact = TRUE)$p.value - rank_sums(x, y)[2]) < 1e-12)
}

# ---- needed seeds ----
same <- function(n, e) {
    c <- needed(n); p <- pnorm(-e); spare <- n - c
    if (c > n) return(0)
    sum(sapply(0:spare, function(a) dbinom(a, n, p) * (if (p < 1) pbinom(spare, n - a, min(1, p / (1 - p))) else 0)))
}
averaged <- function(n, e, df, f) if (df == 0) f(n, e) else
    integrate(function(x) sapply(x, function(v) dchisq(v, df) * f(n, e * sqrt(v / df))), 0, qchisq(1 - 1e-15, df),
              rel.tol = 1e-9, subdivisions = 2000)$value
beyond <- function(n, e) above(n, needed(n), pnorm(e))
for (df in c(0, 1, 2, 4, 9)) for (n in c(5, 13, 20)) for (e in c(0.4, 1.2)) {
    row("planned", c(e, 1, df, n, 0), averaged(n, e, df, beyond))
    row("planned", c(e, 1, df, n, 1), averaged(n, e, df, same))
}
offered <- (5:200)[c(TRUE, diff(cummax(sapply(5:200, function(n) beyond(n, 1)))) > 0)]
fewest <- function(e, df, f) { for (n in offered) if (averaged(n, e, df, f) >= 0.8) return(n); 0 }
for (df in c(2, 3, 4)) for (e in c(1, 1.6)) {
    factor <- sqrt(df / qchisq(0.2, df))
    row("plan", c(e, 1, df, 0.8), c(fewest(e, 0, beyond), fewest(e, df, beyond), fewest(e / factor, 0, beyond), factor))
}

# ---- hazards ----
spells <- function(n, a) {
    i <- seq_len(n)
    data.frame(entry = ifelse(i %% 5 == 0, 1, 0), time = 2 + (i^3 * 5 + i * a) %% 13, stratum = (i %/% 4) %% 3,
               event = as.numeric((i * a) %% 7 != 0), treated = as.numeric((i^2 + i %/% 3) %% 2))
}
terms <- function(s) do.call(rbind, lapply(split(s, s$stratum), function(g) do.call(rbind, lapply(
    unique(g$time[g$event == 1]), function(t) {
        risk <- g$entry < t & g$time >= t; now <- g$time == t & g$event == 1
        data.frame(d = sum(now), d1 = sum(now & g$treated == 1), n1 = sum(risk & g$treated == 1),
                   n0 = sum(risk & g$treated == 0))
    }))))
score <- function(t, m) sum(t$d1) - sum(t$d * exp(m) * t$n1 / (exp(m) * t$n1 + t$n0))
for (a in c(5, 8, 11)) {
    s <- spells(40, a); t <- terms(s)
    for (m in c(-0.3, 0, log(2)))
        row("hazard", c(m, t(as.matrix(s))), c(sum(t$d1), sum(t$d1) - score(t, m), sum(t$d - t$d1)))
    stopifnot(sum(t$n1 > 0 & t$n0 > 0) > 10)
    row("pooled", t(as.matrix(s)), uniroot(function(b) score(t, b), c(-20, 20), tol = 1e-13)$root)
}
