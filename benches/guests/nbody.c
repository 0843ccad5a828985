/* Floating point in a loop: five bodies, leapfrog steps. */
#include <math.h>
#include <stdio.h>

enum { BODIES = 5, STEPS = 12000000 };

struct body {
    double x, y, z, vx, vy, vz, mass;
};

static struct body bodies[BODIES];

static void start(void) {
    for (int i = 0; i < BODIES; i++) {
        double turn = i * 1.25;
        bodies[i] = (struct body){ cos(turn) * (i + 1), sin(turn) * (i + 1), i * 0.1, -sin(turn), cos(turn), 0.01 * i, i ? 0.001 * i : 40 };
    }
}

static void step(double dt) {
    for (int i = 0; i < BODIES; i++) {
        struct body *a = &bodies[i];
        for (int j = i + 1; j < BODIES; j++) {
            struct body *b = &bodies[j];
            double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
            double square = dx * dx + dy * dy + dz * dz;
            double pull = dt / (square * sqrt(square));
            a->vx -= dx * b->mass * pull;
            a->vy -= dy * b->mass * pull;
            a->vz -= dz * b->mass * pull;
            b->vx += dx * a->mass * pull;
            b->vy += dy * a->mass * pull;
            b->vz += dz * a->mass * pull;
        }
    }
    for (int i = 0; i < BODIES; i++) {
        bodies[i].x += dt * bodies[i].vx;
        bodies[i].y += dt * bodies[i].vy;
        bodies[i].z += dt * bodies[i].vz;
    }
}

int main(void) {
    start();
    for (int i = 0; i < STEPS; i++) step(0.0001);
    printf("%.9f\n", bodies[0].x + bodies[1].y + bodies[2].z);
    return 0;
}
